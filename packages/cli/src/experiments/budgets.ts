import { measureBudgets } from "@kvpolicy/bench";
import { Option } from "commander";
import { z } from "zod";

import { defaultsInWords, strideOption } from "../common-options.js";
import type { ExperimentCommand } from "../experiment-command.js";
import { loadText } from "../load-text.js";
import { firstProblem, numberList, strideSchema } from "../option-schemas.js";
import { choosePolicy, neverEvicts, parsePolicy } from "../policy-choices.js";
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
  stride: strideSchema.optional(),
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
      `budgets in cells, such as 256,512 ${defaultsInWords(TINY_BUDGETS.join(), BUDGETS.join())}`,
    ),
    strideOption(),
  ],
  prepare: async (raw, { defaults, seed, isTiny }) => {
    const parsed = rawSchema.safeParse(raw);
    if (!parsed.success) throw firstProblem(raw, parsed.error);
    const budgets = parsed.data.budgets ?? (isTiny ? TINY_BUDGETS : BUDGETS);
    const tokens = parsed.data.tokens ?? tokensForInterval(Math.max(...budgets));
    const policy = await parsePolicy(parsed.data.policy, parsed.data.stride ?? defaults.stride, budgets);
    if (neverEvicts(policy)) {
      const message = `--policy ${policy.name} never evicts: with a cell for every token no budget differs from another.`;
      throw badOption("policy", policy.name, message);
    }
    const text = await loadText(parsed.data.text);
    return (laboratory) =>
      measureBudgets({
        ...laboratory,
        text: readableText(laboratory.loaded, text, tokens),
        policy: choosePolicy(policy, laboratory.model, tokens),
        budgets,
        seed,
      });
  },
};
