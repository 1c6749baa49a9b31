import type { TokenCodec } from "@kvpolicy/core";

/** More characters than a token has on average in any text that is worth reading. */
const CHARACTERS_PER_TOKEN = 32;

/**
 * The first `limit` tokens of a text, or all. A book is not encoded whole when a few pages are asked for.
 */
export function tokenize(codec: TokenCodec, text: string, limit: number | undefined): Uint32Array {
  if (limit === undefined) return Uint32Array.from(codec.encode(text));
  const start = codec.encode(text.slice(0, limit * CHARACTERS_PER_TOKEN));
  const tokens = start.length < limit ? codec.encode(text) : start;
  return Uint32Array.from(tokens).slice(0, limit);
}
