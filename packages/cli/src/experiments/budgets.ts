import { measureBudgets } from "@kvpolicy/bench";
import { Option } from "commander";
import { z } from "zod";

import type { ExperimentCommand } from "../experiment-command.js";
import { firstProblem, numberList, wholeNumber } from "../option-schemas.js";
import { choosePolicies, parsePolicies, strideOption } from "../policy-choices.js";
import {
  readableText,
  textName,
  textOption,
  tokenCount,
  tokensForInterval,
  tokensOption,
} from "../readable-text.js";
import { badOption } from "../report-error.js";

const POLICY = "sink-window";
const TINY_BUDGETS = [32, 64, 128];
const BUDGETS = [256, 512, 1024];

const rawSchema = z.object({
  text: textName,
  tokens: tokenCount,
  policy: z.string(),
  budgets: numberList(1).optional(),
  stride: wholeNumber(1).optional(),
});

/** `kvpolicy budgets`: one policy at several budgets over the same tokens. */
export const budgetsCommand: ExperimentCommand = {
  name: "budgets",
  description: "Does a larger cache help? One policy at several budgets, over the same tokens.",
  options: [
    textOption(),
    tokensOption(),
    new Option("--policy <spec>", "which tokens stay").default(POLICY),
    new Option(
      "--budgets <list>",
      `budgets in cells (default: ${TINY_BUDGETS.join()} for a tiny model, else ${BUDGETS.join()})`,
    ),
    strideOption,
  ],
  prepare: async (raw, { defaults, seed, isTiny }) => {
    const parsed = rawSchema.safeParse(raw);
    if (!parsed.success) throw firstProblem(raw, parsed.error);
    const budgets = parsed.data.budgets ?? (isTiny ? TINY_BUDGETS : BUDGETS);
    const tokens = parsed.data.tokens ?? tokensForInterval(Math.max(...budgets));
    const specs = await parsePolicies([parsed.data.policy], parsed.data.stride ?? defaults.stride, budgets);
    return async (laboratory) => {
      const [policy] = choosePolicies(specs, laboratory.model, tokens);
      if (!policy) throw badOption("policy", parsed.data.policy, "There is no policy to measure.");
      const text = await readableText(laboratory.loaded, parsed.data.text, tokens);
      return measureBudgets({ ...laboratory, text, policy, budgets, seed });
    };
  },
};
