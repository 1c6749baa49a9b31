/** A token of the playground: a word, a punctuation mark or a line break. */
export interface TextToken {
  /** Its text, without the spaces around it. */
  readonly text: string;
  /** Where it begins in the whole text. */
  readonly start: number;
  /** Where it ends in the whole text. */
  readonly end: number;
}

/** A text as a stream reads it. */
export interface TokenizedText {
  /** The tokens in stream order. */
  readonly tokens: readonly TextToken[];
  /** Token ids, one for each distinct text. */
  readonly ids: Uint32Array;
  /** Texts by id; with what usually separates, also where the text has none of it. */
  readonly vocabulary: readonly string[];
}

/** A line break, a word (with the hyphens and apostrophes inside it), or any other character that is no space. */
const TOKEN = /\n|[\p{L}\p{N}\p{M}_]+(?:[-'’][\p{L}\p{N}\p{M}_]+)*|[^\s]/gu;

/** What every vocabulary has: a policy that keeps separators needs some. */
const SEPARATORS = [".", ",", "?", "!", ";", ":", "\n"];

/** Cuts a text into tokens, at most so many. */
export function tokenize(text: string, most = Infinity): TokenizedText {
  const tokens: TextToken[] = [];
  const idByText = new Map<string, number>();
  const ids: number[] = [];
  for (const match of text.matchAll(TOKEN)) {
    if (tokens.length >= most) break;
    const [found] = match;
    const id = idByText.get(found) ?? idByText.size;
    idByText.set(found, id);
    ids.push(id);
    tokens.push({ text: found, start: match.index, end: match.index + found.length });
  }
  const vocabulary = new Set([...idByText.keys(), ...SEPARATORS]);
  return { tokens, ids: Uint32Array.from(ids), vocabulary: [...vocabulary] };
}
