import { measureSinks, probeSinks } from "@kvpolicy/bench";
import { KVPolicyError } from "@kvpolicy/core";
import { sinkWindow } from "@kvpolicy/sink-window";
import { Option } from "commander";
import { z } from "zod";

import { budgetOption, strideOption, type CommonOptions } from "../common-options.js";
import type { ExperimentCommand } from "../experiment-command.js";
import { loadText } from "../load-text.js";
import { firstProblem, numberList, wholeNumber } from "../option-schemas.js";
import { parsePolicies } from "../policy-choices.js";
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
  budgetOption(),
  strideOption({ numbersOnly: true }),
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
    const { text: file, tokens, ...own } = parse(raw, common);
    await checkDraws(own);
    const text = await loadText(file);
    const { stride } = own;
    return (laboratory) =>
      measureSinks({
        ...laboratory,
        ...own,
        seed: common.seed,
        text: readableText(laboratory.loaded, text, tokens),
        create: (sinks) => sinkWindow({ sinks, stride }),
      });
  },
};

/** Refuses random controls without room, now and not when the model is loaded. */
async function checkDraws({
  draws,
  stride,
  budget,
}: Pick<SinksOptions, "draws" | "stride" | "budget">): Promise<void> {
  if (draws === 0) return;
  try {
    await parsePolicies(["random-anchor", "random-recent"], stride, [budget]);
  } catch (cause) {
    if (!KVPolicyError.isInstance(cause, "config")) throw cause;
    const message = `--draws ${draws} cannot work with a budget of ${budget} and a stride of ${stride}: ${cause.message} --draws 0 leaves the random controls out.`;
    throw badOption("draws", draws, message, cause);
  }
}

/** `kvpolicy probe`: does this model need sinks? */
export const probeCommand: ExperimentCommand = {
  name: "probe",
  description: "Does this model need sinks? One line of advice, and the evidence.",
  options,
  prepare: async (raw, common) => {
    const { text: file, tokens, budget, stride, sinks: counts } = parse(raw, common);
    const text = await loadText(file);
    return (laboratory) =>
      probeSinks({
        ...laboratory,
        budget,
        sinks: counts,
        seed: common.seed,
        text: readableText(laboratory.loaded, text, tokens),
        create: (sinks) => sinkWindow({ sinks, stride }),
      });
  },
};
