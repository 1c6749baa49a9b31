import { Tokenizer as UntypedTokenizer } from "@huggingface/tokenizers";
import { KVPolicyError } from "@kvpolicy/core";

import { preTokenizers, type PreTokenizer } from "./pre-tokenizers.js";
import { readNumbers, readStrings, refuseVocabulary, TOKEN_TYPES, type Vocabulary } from "./vocabulary.js";

/** How a kind of vocabulary writes text into its tokens. */
export interface TextEncoding {
  /** Whether the vocabulary wants its beginning-of-sequence token in front when the file does not say. */
  readonly addsBos: boolean;
  /** Whether a text begins with a space that it does not have, which decoding takes away. */
  readonly addsSpace: boolean;
  /** Tokens of a text without special tokens in it. The first of a text, and one after a special token, is `isFirst`. */
  encode(text: string, isFirst: boolean): readonly number[];
  /** The UTF-8 bytes that a normal token or one of type byte stands for. */
  bytesOf(token: number): Uint8Array;
}

const utf8 = new TextEncoder();

/**
 * How the vocabulary in GGUF metadata writes text: `gpt2` is byte-level BPE, `llama` is SentencePiece.
 *
 * @throws {KVPolicyError} `unsupported` for another kind or an unknown pre-tokenizer, `config` when a part is missing.
 */
export function createTextEncoding(
  metadata: Readonly<Record<string, unknown>>,
  vocabulary: Vocabulary,
): TextEncoding {
  const kind = metadata["tokenizer.ggml.model"];
  if (kind === "gpt2") return createByteLevel(metadata, vocabulary);
  if (kind === "llama") return createSentencePiece(metadata, vocabulary);
  throw refuseTokenizer(`tokenizer ${nameOf(kind)}`, ["gpt2", "llama"]);
}

function nameOf(value: unknown): string {
  return typeof value === "string" ? value : "without a name";
}

function refuseTokenizer(feature: string, known: readonly string[]): KVPolicyError {
  const reason = `these are known: ${known.join(", ")}`;
  return new KVPolicyError({
    code: "unsupported",
    message: `The model has the ${feature}, and ${reason}.`,
    details: { feature, reason },
  });
}

const MERGES = "tokenizer.ggml.merges";

function createByteLevel(
  metadata: Readonly<Record<string, unknown>>,
  { tokens, ids, types }: Vocabulary,
): TextEncoding {
  const name = metadata["tokenizer.ggml.pre"] ?? "default";
  const preTokenizer = preTokenizers.get(nameOf(name));
  if (!preTokenizer) throw refuseTokenizer(`pre-tokenizer ${nameOf(name)}`, [...preTokenizers.keys()]);
  const merges = readStrings(metadata, MERGES).map(splitMerge);
  const encode = createBytePairEncoder({ ids, merges, preTokenizer });
  const byteOfCharacter = new Map(byteCharacters().map((character, byte) => [character, byte]));
  return {
    addsBos: preTokenizer.addsBos,
    addsSpace: false,
    encode,
    bytesOf: (token) => {
      const text = tokens[token] ?? "";
      if (types[token] === TOKEN_TYPES.byte) return Uint8Array.of(parseByte(text));
      return Uint8Array.from(
        Array.from(text).flatMap(
          (character) => byteOfCharacter.get(character) ?? [...utf8.encode(character)],
        ),
      );
    },
  };
}

/** The two tokens of a merge. A space stands between them, and the first may be one itself. */
function splitMerge(merge: string): readonly [string, string] {
  const space = merge.indexOf(" ", 1);
  if (space < 0) throw refuseVocabulary(`has the merge ${JSON.stringify(merge)} of one part`, MERGES);
  return [merge.slice(0, space), merge.slice(space + 1)];
}

/**
 * The character that stands for each byte in a byte-level vocabulary: itself when it can be seen, and otherwise the next
 * free one from U+0100 on (GPT-2's `bytes_to_unicode`).
 */
function byteCharacters(): string[] {
  let hidden = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const isSeen = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(isSeen ? byte : 0x100 + hidden++);
  });
}

const SPACE = "▁";

function createSentencePiece(
  metadata: Readonly<Record<string, unknown>>,
  { tokens, ids, types }: Vocabulary,
): TextEncoding {
  const scores = readNumbers(metadata, "tokenizer.ggml.scores", tokens.length);
  const unknown = tokens[types.indexOf(TOKEN_TYPES.unknown)];
  const encode = createBytePairEncoder({ ids, merges: deriveMerges(tokens, ids, scores), unknown });
  const addsSpace = metadata["tokenizer.ggml.add_space_prefix"] !== false;
  return {
    addsBos: true,
    addsSpace,
    encode: (text, isFirst) => encode((addsSpace && isFirst ? ` ${text}` : text).replaceAll(" ", SPACE)),
    bytesOf: (token) => {
      const text = tokens[token] ?? "";
      return types[token] === TOKEN_TYPES.byte
        ? Uint8Array.of(parseByte(text))
        : utf8.encode(text.replaceAll(SPACE, " "));
    },
  };
}

/** The byte that a token such as `<0x0A>` stands for. */
function parseByte(text: string): number {
  return Number.parseInt(text.slice(3, 5), 16);
}

/**
 * SentencePiece joins whichever neighbours give the token of the highest score. Byte-pair encoding does the same when every
 * way to make a token is a merge, and the merges are ordered by the score of what they make. Among equal scores the first
 * token of the vocabulary is joined first, where llama.cpp takes the leftmost.
 */
function deriveMerges(
  tokens: readonly string[],
  ids: ReadonlyMap<string, number>,
  scores: readonly number[],
): (readonly [string, string])[] {
  return tokens
    .map((text, id) => ({ splits: splitsOf(text, ids), score: scores[id] ?? 0 }))
    .sort((left, right) => right.score - left.score)
    .flatMap(({ splits }) => splits);
}

/** The pairs that a text can be made of: tokens, or characters that are not in the vocabulary. */
function splitsOf(text: string, ids: ReadonlyMap<string, number>): (readonly [string, string])[] {
  const characters = Array.from(text);
  return characters.slice(1).flatMap((_, index) => {
    const left = characters.slice(0, index + 1).join("");
    const right = characters.slice(index + 1).join("");
    const canBe = (part: string, length: number): boolean => length === 1 || ids.has(part);
    return canBe(left, index + 1) && canBe(right, characters.length - index - 1)
      ? [[left, right] as const]
      : [];
  });
}

/** What is used of the library. Its own declarations leave out file extensions and mean nothing to Node's module resolution. */
interface LibraryTokenizer {
  encode(text: string, options: { readonly add_special_tokens: boolean }): { readonly ids: number[] };
}
const LibraryTokenizer = UntypedTokenizer as unknown as new (
  tokenizer: object,
  config: object,
) => LibraryTokenizer;

/** What the library is told of a vocabulary. */
interface BytePairs {
  readonly ids: ReadonlyMap<string, number>;
  /** Pairs that are joined, the first ones first. */
  readonly merges: readonly (readonly [string, string])[];
  /** How the text is cut and its bytes become characters. Without it the text is one word, and bytes have their own tokens. */
  readonly preTokenizer?: PreTokenizer;
  /** Token for what is not in the vocabulary. Without it such text is left out. */
  readonly unknown?: string | undefined;
}

/**
 * The library's byte-pair encoding, and nothing else of it: it knows special tokens as one set that is searched from left to
 * right, and gives text only for whole lists of tokens, with spaces cleaned up.
 */
function createBytePairEncoder({
  ids,
  merges,
  preTokenizer,
  unknown,
}: BytePairs): (text: string) => number[] {
  const library = new LibraryTokenizer(
    {
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: preTokenizer ? describePreTokenizer(preTokenizer) : null,
      post_processor: null,
      decoder: null,
      model: {
        type: "BPE",
        vocab: Object.fromEntries(ids),
        merges,
        byte_fallback: !preTokenizer,
        ignore_merges: preTokenizer?.ignoresMerges ?? false,
        ...(unknown !== undefined && { unk_token: unknown }),
      },
    },
    {},
  );
  return (text) => library.encode(text, { add_special_tokens: false }).ids;
}

function describePreTokenizer({ patterns }: PreTokenizer): object {
  const splits = patterns.map((pattern) => ({
    type: "Split",
    pattern: { Regex: pattern },
    behavior: "Isolated",
    invert: false,
  }));
  return { type: "Sequence", pretokenizers: [...splits, { type: "ByteLevel", use_regex: false }] };
}
