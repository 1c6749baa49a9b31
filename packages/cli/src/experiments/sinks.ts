import { measureSinks, probeSinks } from "@kvpolicy/bench";
import { sinkWindow } from "@kvpolicy/sink-window";
import { Option } from "commander";
import { z } from "zod";

import type { CommonOptions } from "../common-options.js";
import type { ExperimentCommand } from "../experiment-command.js";
import { firstProblem, numberList, wholeNumber } from "../option-schemas.js";
import { parsePolicies, strideOption } from "../policy-choices.js";
import {
  readableText,
  textName,
  textOption,
  tokenCount,
  tokensForInterval,
  tokensOption,
} from "../readable-text.js";
import { badOption } from "../report-error.js";

const SINKS = "0,1,2,4,8";
const DRAWS = 3;

const rawSchema = z.object({
  text: textName,
  tokens: tokenCount,
  budget: wholeNumber(2).optional(),
  stride: wholeNumber(1).optional(),
  sinks: numberList(0),
  draws: wholeNumber(0).default(DRAWS),
});

const options = [
  textOption(),
  tokensOption(),
  new Option("--budget <cells>", "cells (default: 128 for a tiny model, else 256)"),
  strideOption,
  new Option("--sinks <list>", "numbers of first tokens that stay").default(SINKS),
];

/** The checked options of both commands. */
function parse(raw: unknown, { defaults }: CommonOptions): SinksOptions {
  const parsed = rawSchema.safeParse(raw);
  if (!parsed.success) throw firstProblem(raw, parsed.error);
  const { text, sinks, draws } = parsed.data;
  const budget = parsed.data.budget ?? defaults.budget;
  const stride = parsed.data.stride ?? defaults.stride;
  if (sinks.length < 2) throw badOption("sinks", sinks, "--sinks must name at least two numbers to compare.");
  const most = Math.max(...sinks);
  if (most + stride >= budget) {
    throw badOption(
      "sinks",
      most,
      `--sinks ${most} and --stride ${stride} leave no window in a budget of ${budget} cells.`,
    );
  }
  return { text, tokens: parsed.data.tokens ?? tokensForInterval(budget), budget, stride, sinks, draws };
}

interface SinksOptions {
  readonly text: string | undefined;
  readonly tokens: number;
  readonly budget: number;
  readonly stride: number;
  readonly sinks: readonly number[];
  readonly draws: number;
}

/** `kvpolicy sinks`: numbers of sinks, and controls. */
export const sinksCommand: ExperimentCommand = {
  name: "sinks",
  description:
    "Perplexity with 0, 1, 2, 4 and 8 first tokens, against random tokens and line breaks in their place.",
  options: [...options, new Option("--draws <count>", "draws of each random control").default(String(DRAWS))],
  prepare: async (raw, common) => {
    const { text, tokens, stride, ...rest } = parse(raw, common);
    // Controls without room are found now, and not when the model is loaded.
    if (rest.draws > 0) await parsePolicies(["random-anchor", "random-recent"], stride, [rest.budget]);
    return async (laboratory) =>
      measureSinks({
        ...laboratory,
        ...rest,
        stride,
        seed: common.seed,
        text: await readableText(laboratory.loaded, text, tokens),
        create: (sinks) => sinkWindow({ sinks, stride }),
      });
  },
};

/** `kvpolicy probe`: does this model need sinks? */
export const probeCommand: ExperimentCommand = {
  name: "probe",
  description: "Does this model need sinks? One line of advice, and the evidence.",
  options,
  prepare: async (raw, common) => {
    await Promise.resolve();
    const { text, tokens, budget, stride, sinks: counts } = parse(raw, common);
    return async (laboratory) =>
      probeSinks({
        ...laboratory,
        budget,
        sinks: counts,
        seed: common.seed,
        text: await readableText(laboratory.loaded, text, tokens),
        create: (sinks) => sinkWindow({ sinks, stride }),
      });
  },
};
