import { reproduce, type MeasuredModel } from "@kvpolicy/bench";
import { sinkWindow } from "@kvpolicy/sink-window";
import { Option } from "commander";
import { z } from "zod";

import { COMMON_DEFAULTS } from "../common-options.js";
import type { ExperimentCommand, Laboratory } from "../experiment-command.js";
import { loadText, type LoadedText } from "../load-text.js";
import { firstProblem, wholeNumber } from "../option-schemas.js";
import { parsePolicies } from "../policy-choices.js";
import { readableText, textName, textOption } from "../readable-text.js";
import { badOption } from "../report-error.js";
import { createReproductionParts, type Pace } from "./reproduction-parts.js";

const MINUTES = 15;
/** Recomputing at a shorter stride would take most of the time of a larger model. */
const STRIDE = 64;
/** Tokens that are read to see how fast that goes, and those that are decoded one by one. */
const PACE_TOKENS = 256;
const DECODED_TOKENS = 24;
/** What most experiments read the text with, and what costs more than any other. */
const POLICIES = ["sink-window", "recompute"];

const rawSchema = z.object({
  text: textName,
  minutes: wholeNumber(1),
  budget: wholeNumber(2).optional(),
  stride: wholeNumber(1).optional(),
});

/** `kvpolicy reproduce`: the paper, row by row. */
export const reproduceCommand: ExperimentCommand = {
  name: "reproduce",
  description:
    "Runs all experiments at a size that fits the time given, and puts the paper's figures beside ours.",
  options: [
    textOption(),
    new Option(
      "--minutes <count>",
      "about so many minutes for all of them; small ones are exceeded, as each takes a least size",
    ).default(String(MINUTES)),
    new Option("--budget <cells>", "smallest budget (default: 128 for a tiny model, else 256)"),
    new Option(
      "--stride <cells>",
      `cells freed by one eviction (default: ${COMMON_DEFAULTS.tiny.stride} for a tiny model, else ${STRIDE})`,
    ),
  ],
  prepare: async (raw, common) => {
    const parsed = rawSchema.safeParse(raw);
    if (!parsed.success) throw firstProblem(raw, parsed.error);
    const { text, minutes } = parsed.data;
    if (text === "-")
      throw badOption("text", text, "--text must name a file here: several experiments read it.");
    const budget = parsed.data.budget ?? common.defaults.budget;
    const stride = parsed.data.stride ?? (common.isTiny ? common.defaults.stride : STRIDE);
    await parsePolicies(POLICIES, stride, [budget]);
    const source = await loadText(text);
    return async (laboratory) => {
      const pace = await measurePace(laboratory, source, budget, stride);
      return reproduce({
        ...laboratory,
        parts: createReproductionParts({ laboratory, text, budget, stride, pace }),
        minutes,
        budget,
        stride,
        seed: common.seed,
        onResults: laboratory.save,
      });
    };
  },
};

/** How fast the model reads with a full cache, to fit the experiments into the time. */
async function measurePace(
  { model, loaded }: Laboratory,
  source: LoadedText,
  budget: number,
  stride: number,
): Promise<Pace> {
  const needed = budget + PACE_TOKENS + DECODED_TOKENS;
  const { name, tokens } = readableText(loaded, source, needed);
  if (tokens.length < needed) {
    const message = `The text (${name}) has ${tokens.length} tokens, and at a budget of ${budget} cells it takes at least ${needed}.`;
    throw badOption("text", name, message);
  }
  await using stream = await openQuietly(model, budget, stride);
  await stream.append(tokens.subarray(0, budget));
  const begun = performance.now();
  await stream.score(tokens.subarray(budget, budget + PACE_TOKENS));
  const middle = performance.now();
  for (const token of tokens.subarray(budget + PACE_TOKENS)) await stream.append(Uint32Array.of(token));
  return {
    read: (middle - begun) / PACE_TOKENS,
    decode: (performance.now() - middle) / DECODED_TOKENS,
  };
}

function openQuietly(
  model: MeasuredModel,
  budget: number,
  stride: number,
): ReturnType<MeasuredModel["open"]> {
  return model.open({ policy: sinkWindow({ stride }), budget, onWarning: () => undefined });
}
