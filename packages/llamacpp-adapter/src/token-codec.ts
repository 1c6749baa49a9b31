import type { TokenCodec, TokenDecoder } from "@kvpolicy/core";
import type { LlamaModel, Token } from "node-llama-cpp";

/** What decoding to text puts in place of bytes that are no complete character. */
const REPLACEMENT = "\uFFFD";
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
    encode: (text) => model.tokenize(text, specialTokens),
    isEndOfGeneration: (token) => model.isEogToken(token as Token),
    createDecoder: () => createDecoder(model),
  };
}

function createDecoder(model: LlamaModel): TokenDecoder {
  let unfinished: Token[] = [];
  let before: Token[] = [];
  const take = (): string => {
    const text = model.detokenize(unfinished, false, before);
    before = [...before, ...unfinished].slice(-CONTEXT);
    unfinished = [];
    return text;
  };
  return {
    push: (token) => {
      unfinished.push(token as Token);
      const isBroken = model.detokenize(unfinished, false, before).endsWith(REPLACEMENT);
      return isBroken && unfinished.length < LONGEST_CHARACTER ? "" : take();
    },
    flush: () => (unfinished.length === 0 ? "" : take()),
  };
}
