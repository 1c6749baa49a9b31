import { Option } from "commander";
import { z } from "zod";

import { budgetOption, parseCommonOptions, strideOption, type CommonOptions } from "./common-options.js";
import { firstProblem, strideSchema, wholeNumber } from "./option-schemas.js";
import { parsePolicies, policyOption, policySpecs } from "./policy-choices.js";
import { withoutModel } from "./policy-kinds.js";
import type { PolicySpec } from "./policy-spec.js";
import { textName, textOption, tokenCount } from "./readable-text.js";
import { badOption } from "./report-error.js";

/** What is taken when an option of its own is left out. So many tokens are the fewest that give the tiny model an interval. */
export const STREAM_DEFAULTS = {
  policies: ["dense", "window", "recompute", "sink-window"],
  tokens: 8400,
  equal: "peak",
} as const;

/** The checked options of `kvpolicy stream`. */
export interface StreamCommandOptions extends CommonOptions {
  /** File to read, `-` for standard input; undefined for the built-in text. */
  readonly text: string | undefined;
  /** The policies, in the order given. */
  readonly policies: readonly PolicySpec[];
  /** Cells that each policy may use; see `equal`. */
  readonly budget: number;
  /** Whether the budget is the most cells in use, or what a token sees on average once the cache is full. */
  readonly equal: "peak" | "mean";
  /** Most tokens to read; undefined for all. */
  readonly tokens: number | undefined;
}

/** The options of `kvpolicy stream` beside the common ones, for commander. */
export function streamOptions(): Option[] {
  return [
    textOption(),
    policyOption(STREAM_DEFAULTS.policies),
    budgetOption(),
    strideOption(),
    new Option(
      "--equal <what>",
      "whether the budget is the most cells in use (peak), or what a token sees on average once the cache is full (mean)",
    ).default(STREAM_DEFAULTS.equal),
    new Option(
      "--tokens <count>",
      `most tokens to read (default: ${STREAM_DEFAULTS.tokens} of Moby Dick, all of another text)`,
    ),
  ];
}

const rawSchema = z.object({
  text: textName,
  policy: policySpecs,
  budget: wholeNumber(1).optional(),
  stride: strideSchema.optional(),
  equal: z.enum(["peak", "mean"], { error: "must be peak or mean" }),
  tokens: tokenCount,
});

/**
 * Checks the options of `kvpolicy stream` and fills in the defaults.
 *
 * @param raw - The options as commander parsed them.
 * @param environment - Where `KVPOLICY_MODEL` may be.
 * @throws {KVPolicyError} `config`, with the option's name, for the first option that cannot work.
 */
export async function parseStreamOptions(
  raw: unknown,
  environment: NodeJS.ProcessEnv,
): Promise<StreamCommandOptions> {
  const common = parseCommonOptions(raw, environment);
  const parsed = rawSchema.safeParse(raw);
  if (!parsed.success) throw firstProblem(raw, parsed.error);
  const { policy: specs = STREAM_DEFAULTS.policies, text, equal } = parsed.data;
  const { budget = common.defaults.budget, stride = common.defaults.stride } = parsed.data;
  const policies = await parsePolicies(specs, stride, [budget]);
  if (equal === "mean") for (const policy of policies) checkOwnBudget(policy, budget);
  const tokens = parsed.data.tokens ?? (text === undefined ? STREAM_DEFAULTS.tokens : undefined);
  return { ...common, text, policies, budget, equal, tokens };
}

/** Refuses a policy whose budget cannot be another one. */
function checkOwnBudget({ name, create }: PolicySpec, cells: number): void {
  const { budget } = create(withoutModel(cells));
  // A control that takes its budget from the command has the right one always.
  if (budget === undefined || create(withoutModel(cells + 1)).budget !== budget) return;
  throw badOption(
    "policy",
    name,
    `--policy ${name} has a budget of its own, ${budget} cells, and --equal mean chooses another.`,
  );
}
