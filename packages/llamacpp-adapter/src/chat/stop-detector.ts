import { SpecialTokensText, type LlamaModel, type LlamaText, type Token } from "node-llama-cpp";

/** What ends an answer: text, or tokens that have no text of their own. */
export type StopTrigger = LlamaText | string | readonly (string | Token)[];

/** Where an answer ended. */
export interface Stop {
  /** The trigger, as it was given. */
  readonly trigger: StopTrigger;
  /** Characters of the answer's text in front of it. */
  readonly textLength: number;
  /** Tokens of the answer in front of it; a token that holds the end of the text and the beginning of the trigger is not among them. */
  readonly tokenCount: number;
  /** The text in front of the trigger that those tokens do not hold. */
  readonly rest: string;
}

interface TextTrigger {
  readonly trigger: StopTrigger;
  readonly text: string;
}

interface TokenTrigger {
  readonly trigger: StopTrigger;
  readonly tokens: readonly number[];
}

/**
 * Watches an answer for what ends it, piece by piece. Text that may be the beginning of a trigger is held back, so that nothing is
 * given out that belongs to one.
 */
export class StopDetector {
  readonly #texts: TextTrigger[] = [];
  readonly #sequences: TokenTrigger[] = [];
  readonly #tokens: number[] = [];
  /** Length of the text behind each token. */
  readonly #ends: number[] = [];
  #text = "";
  #released = 0;

  constructor(model: LlamaModel, triggers: readonly StopTrigger[]) {
    for (const trigger of triggers) {
      const tokens = tokensOf(model, trigger);
      const text = textOf(model, trigger);
      // A special token has no text in an answer. Any other trigger may come in other tokens than the tokenizer makes of it.
      if (tokens.some((token) => model.isSpecialToken(token))) this.#sequences.push({ trigger, tokens });
      else if (text !== "") this.#texts.push({ trigger, text });
    }
  }

  /** The whole text so far, what is held back included. */
  get text(): string {
    return this.#text;
  }

  /** Takes the next token and its text. Answers the text that may be given out, and where the answer ended if it did. */
  push(token: number, piece: string): { readonly release: string; readonly stop: Stop | undefined } {
    this.#tokens.push(token);
    this.#text += piece;
    this.#ends.push(this.#text.length);
    const stop = this.#findText() ?? this.#findTokens();
    if (stop) {
      this.#text = this.#text.slice(0, stop.textLength);
      return { release: this.#releaseTo(stop.textLength), stop };
    }
    return { release: this.#releaseTo(this.#text.length - this.#heldBack()), stop: undefined };
  }

  /** Takes the text of an unfinished character, and gives out what was held back: the answer is over. */
  finish(piece: string): string {
    this.#text += piece;
    return this.#releaseTo(this.#text.length);
  }

  #releaseTo(length: number): string {
    const release = this.#text.slice(this.#released, length);
    this.#released = Math.max(this.#released, length);
    return release;
  }

  #findText(): Stop | undefined {
    const found = this.#texts
      .map(({ trigger, text }) => ({ trigger, start: this.#text.indexOf(text, this.#released) }))
      .filter(({ start }) => start >= 0)
      .sort((one, other) => one.start - other.start)[0];
    if (!found) return undefined;
    let tokenCount = this.#ends.findIndex((end) => end > found.start);
    // Tokens without a text of their own hold the first bytes of the character behind them.
    while (tokenCount > 0 && this.#ends[tokenCount - 1] === (this.#ends[tokenCount - 2] ?? 0))
      tokenCount -= 1;
    return this.#stopAt(found.trigger, found.start, tokenCount);
  }

  #findTokens(): Stop | undefined {
    const found = this.#sequences.find(({ tokens }) =>
      tokens.every((token, index) => this.#tokens.at(index - tokens.length) === token),
    );
    if (!found) return undefined;
    const tokenCount = this.#tokens.length - found.tokens.length;
    return this.#stopAt(found.trigger, this.#ends[tokenCount - 1] ?? 0, tokenCount);
  }

  #stopAt(trigger: StopTrigger, textLength: number, tokenCount: number): Stop {
    const rest = this.#text.slice(this.#ends[tokenCount - 1] ?? 0, textLength);
    return { trigger, textLength, tokenCount, rest };
  }

  /** Length of the longest end of the text that a trigger begins with. */
  #heldBack(): number {
    let longest = 0;
    for (const { text } of this.#texts) {
      const most = Math.min(text.length - 1, this.#text.length - this.#released);
      for (let length = most; length > longest; length -= 1)
        if (this.#text.endsWith(text.slice(0, length))) longest = length;
    }
    for (const { tokens } of this.#sequences) {
      for (let count = Math.min(tokens.length - 1, this.#tokens.length); count > 0; count -= 1) {
        const from = this.#tokens.length - count;
        if (!this.#tokens.slice(from).every((token, index) => tokens[index] === token)) continue;
        longest = Math.max(longest, this.#text.length - (this.#ends[from - 1] ?? 0));
        break;
      }
    }
    return longest;
  }
}

function tokensOf(model: LlamaModel, trigger: StopTrigger): Token[] {
  if (typeof trigger === "string") return model.tokenize(trigger, false, "trimLeadingSpace");
  if (isParts(trigger))
    return trigger.flatMap((part) =>
      typeof part === "string" ? model.tokenize(part, false, "trimLeadingSpace") : [part],
    );
  return trigger.tokenize(model.tokenizer, "trimLeadingSpace");
}

function textOf(model: LlamaModel, trigger: StopTrigger): string {
  if (typeof trigger === "string") return trigger;
  if (!isParts(trigger))
    return trigger.values
      .map((value) =>
        typeof value === "string" ? value : value instanceof SpecialTokensText ? value.value : "",
      )
      .join("");
  return trigger.map((part) => (typeof part === "string" ? part : model.detokenize([part], true))).join("");
}

function isParts(trigger: StopTrigger): trigger is readonly (string | Token)[] {
  return Array.isArray(trigger);
}
