import { measureStreamEval, STREAM_EVAL_DEFAULTS } from "@kvpolicy/bench";
import { Option } from "commander";
import { z } from "zod";

import { budgetOption, strideOption, type CommonOptions } from "../common-options.js";
import type { ExperimentCommand } from "../experiment-command.js";
import { firstProblem, numberList, strideSchema, wholeNumber } from "../option-schemas.js";
import { choosePolicies, parsePolicies, policyOption, policySpecs } from "../policy-choices.js";
import type { PolicySpec } from "../policy-spec.js";

const POLICIES = ["window", "sink-window"];
const TINY_BUDGET = 256;
const BUDGET = 512;
const { digits, every } = STREAM_EVAL_DEFAULTS;

/** The checked options of `kvpolicy stream-eval` beside the common ones. */
export interface StreamEvalCommandOptions {
  /** The policies, in the order given. */
  readonly policies: readonly PolicySpec[];
  /** Cells that each may use. */
  readonly budget: number;
  /** Distances in lines; undefined for one inside of the cache and one outside. */
  readonly distances: readonly number[] | undefined;
  /** Digits of a value. */
  readonly digits: number;
  /** Lines between two queries. */
  readonly every: number;
  /** Lines of the record; undefined for as many as take 20 budgets. */
  readonly lines: number | undefined;
  /** Most queries that get a margin; undefined for all. */
  readonly margins: number | undefined;
  /** Whether the likeliest answers are looked at, too. */
  readonly accuracy: boolean;
}

/** `kvpolicy stream-eval`: queries for earlier lines of a stream. */
export const streamEvalCommand: ExperimentCommand = {
  name: "stream-eval",
  description:
    "Does a policy answer for lines in the cache, for lines outside of it, and as well after many tokens?",
  options: [
    policyOption(POLICIES),
    budgetOption(TINY_BUDGET, BUDGET),
    strideOption(),
    new Option(
      "--distances <list>",
      "how many lines back the queries ask, in turn, such as 20,40 (default: one inside of the cache, one outside)",
    ),
    new Option("--digits <count>", "digits of a value").default(String(digits)),
    new Option("--every <lines>", "lines between two queries").default(String(every)),
    new Option("--lines <count>", "lines of the stream (default: as many as take 20 budgets)"),
    new Option(
      "--margins <count>",
      "most queries that get a margin, each of which reads its distance again (default: all)",
    ),
    new Option("--no-accuracy", "leave out whether the likeliest answers are right"),
  ],
  prepare: async (raw, common) => {
    const { policies, ...options } = await parseStreamEvalOptions(raw, common);
    return (laboratory) =>
      measureStreamEval({
        ...laboratory,
        ...options,
        policies: choosePolicies(policies, laboratory.model, Number.MAX_SAFE_INTEGER),
        seed: common.seed,
      });
  },
};

const rawSchema = z.object({
  policy: policySpecs,
  budget: wholeNumber(1).optional(),
  stride: strideSchema.optional(),
  distances: numberList(1).optional(),
  digits: wholeNumber(1)
    .refine((value) => value <= 9, { error: "must be at most 9" })
    .default(digits),
  every: wholeNumber(1).default(every),
  lines: wholeNumber(1).optional(),
  margins: wholeNumber(0).optional(),
  accuracy: z.boolean().default(true),
});

/**
 * Checks the options of `kvpolicy stream-eval` and fills in the defaults.
 *
 * @param raw - The options as commander parsed them.
 * @param common - The options that all experiments share.
 * @throws {KVPolicyError} `config`, with the option's name, for the first option that cannot work.
 */
export async function parseStreamEvalOptions(
  raw: unknown,
  common: Pick<CommonOptions, "defaults" | "isTiny">,
): Promise<StreamEvalCommandOptions> {
  const parsed = rawSchema.safeParse(raw);
  if (!parsed.success) throw firstProblem(raw, parsed.error);
  const { policy, stride, budget, distances, lines, margins, ...rest } = parsed.data;
  const cells = budget ?? (common.isTiny ? TINY_BUDGET : BUDGET);
  const policies = await parsePolicies(policy ?? POLICIES, stride ?? common.defaults.stride, [cells]);
  return { ...rest, policies, budget: cells, distances, lines, margins };
}
