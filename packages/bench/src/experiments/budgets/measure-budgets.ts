import { KVPolicyError } from "@kvpolicy/core";

import { buildComparison } from "../../comparison/build-comparison.js";
import { compareOnText } from "../compare-on-text.js";
import type { ExperimentOptions } from "../experiment.js";
import type { PolicyChoice, ReadableText } from "../policy-choice.js";
import type { BudgetsResults } from "./budgets-results.js";

/** Options of {@link measureBudgets}. */
export interface MeasureBudgetsOptions extends ExperimentOptions {
  /** The text. */
  readonly text: ReadableText;
  /** The policy. */
  readonly policy: PolicyChoice;
  /** Budgets in cells, none twice. */
  readonly budgets: readonly number[];
  /** Seed of the intervals. */
  readonly seed: number;
}

/**
 * One policy at several budgets, as in table 6 of Xiao et al., ICLR 2024. All are compared over the same tokens, those from the largest
 * budget on, and with the largest.
 *
 * @throws {KVPolicyError} `config` without budgets, or with one twice.
 */
export async function measureBudgets(options: MeasureBudgetsOptions): Promise<BudgetsResults> {
  const { text, policy, seed, surroundings, clock = () => performance.now() } = options;
  const budgets = [...options.budgets].sort((one, other) => one - other);
  const largest = budgets.at(-1);
  if (largest === undefined || new Set(budgets).size < budgets.length) {
    throw new KVPolicyError({
      code: "config",
      message: `Budgets must be at least one, none of them twice, not ${options.budgets.join(", ")}.`,
      details: { option: "budgets", value: options.budgets },
    });
  }
  const start = clock();
  const measurement = await compareOnText(options, {
    tokens: text.tokens,
    start: largest,
    contenders: budgets.map((budget) => ({ name: nameOf(budget), policy: policy.create(budget), budget })),
    what: `${policy.name}, ${text.name}`,
  });
  const { name, sha256 } = text;
  const comparison = buildComparison(measurement, {
    text: { name, sha256 },
    seed,
    reference: nameOf(largest),
  });
  return {
    ...surroundings,
    experiment: "budgets",
    partial: comparison.partial,
    milliseconds: clock() - start,
    settings: { policy: policy.name, budgets, seed },
    comparison,
  };
}

/** Name of the row with such a budget. */
export function nameOf(budget: number): string {
  return `budget ${budget}`;
}
