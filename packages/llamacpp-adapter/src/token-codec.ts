import type { TokenCodec, TokenDecoder } from "@kvpolicy/core";
import type { LlamaModel, Token } from "node-llama-cpp";

import { refuseDisposed } from "./refuse-disposed.js";

/** What decoding to text puts in place of bytes that are no complete character. */
const TRAILING_REPLACEMENTS = /\uFFFD+$/;
/** The longest UTF-8 character has four bytes, and a token may be a single one: after these many the bytes are simply broken. */
const LONGEST_CHARACTER = 4;
/** Tokens before a piece that tell the detokenizer whether a space belongs in front of it. */
const CONTEXT = 3;

/** Options of {@link createTokenCodec}. */
export interface TokenCodecOptions {
  /** Whether the text of a special token, `<|im_start|>` say, becomes that token. Defaults to false, as in node-llama-cpp: it is read as plain text. */
  readonly specialTokens?: boolean | undefined;
}

/** A model's own tokenizer as a codec. */
export function createTokenCodec(
  model: LlamaModel,
  { specialTokens = false }: TokenCodecOptions = {},
): TokenCodec {
  return {
    encode: (text) => {
      refuseDisposed(model);
      return model.tokenize(text, specialTokens);
    },
    isEndOfGeneration: (token) => model.isEogToken(token as Token),
    createDecoder: () => createDecoder(model),
  };
}

function createDecoder(model: LlamaModel): TokenDecoder {
  let before: Token[] = [];
  // Tokens whose bytes are no whole number of characters yet, how much of their text is out, and for how many tokens
  // nothing more came of them.
  let unfinished: Token[] = [];
  let taken = 0;
  let waiting = 0;
  const decode = (): string => {
    refuseDisposed(model);
    return model.detokenize(unfinished, false, before);
  };
  const takeAll = (text: string): string => {
    const piece = text.slice(taken);
    before = [...before, ...unfinished].slice(-CONTEXT);
    unfinished = [];
    taken = 0;
    waiting = 0;
    return piece;
  };
  return {
    push: (token) => {
      unfinished.push(token as Token);
      const text = decode();
      const whole = text.replace(TRAILING_REPLACEMENTS, "");
      if (whole.length === text.length) return takeAll(text);
      waiting = whole.length > taken ? 0 : waiting + 1;
      if (waiting >= LONGEST_CHARACTER) return takeAll(text);
      const piece = whole.slice(taken);
      taken = Math.max(taken, whole.length);
      return piece;
    },
    flush: () => (unfinished.length === 0 ? "" : takeAll(decode())),
  };
}
