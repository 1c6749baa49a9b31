import type { ReadableText } from "@kvpolicy/bench";
import { createTokenCodec } from "@kvpolicy/llamacpp-adapter";
import { Option } from "commander";
import { z } from "zod";

import { wholeNumber } from "./option-schemas.js";
import type { LoadedModel } from "./load-model.js";
import type { LoadedText } from "./load-text.js";
import { tokenize } from "./tokenize.js";

/** Blocks of a bootstrap, and their length: with fewer tokens behind the fill there is no interval. */
const FEWEST_BLOCKS = 64;
const SHORTEST_BLOCK = 128;

/** The option `--text` of a command that reads one text. */
export function textOption(): Option {
  return new Option("--text <file>", "text to read; - for standard input (default: Moby Dick)");
}

/** The option `--tokens`; the default gives an interval. */
export function tokensOption(): Option {
  return new Option(
    "--tokens <count>",
    "most tokens to read of a text (default: as many as an interval takes behind the largest budget)",
  );
}

/** Schema of `--text`. */
export const textName = z
  .string()
  .min(1, { error: "must name a file, or be - for standard input" })
  .optional();
/** Schema of `--tokens`. */
export const tokenCount = wholeNumber(1).optional();

/** Tokens to read for an interval behind a budget, with some to spare. */
export function tokensForInterval(budget: number): number {
  return budget + FEWEST_BLOCKS * SHORTEST_BLOCK + SHORTEST_BLOCK;
}

/** The first `tokens` tokens of a text as a model has them, or all of them. */
export function readableText(
  { model }: LoadedModel,
  { name, sha256, text }: LoadedText,
  tokens: number | undefined,
): ReadableText {
  return { name, sha256, tokens: tokenize(createTokenCodec(model), text, tokens) };
}
