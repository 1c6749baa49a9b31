import { KVPolicyError } from "@kvpolicy/core";

import { buildComparison } from "../../comparison/build-comparison.js";
import type { Comparison } from "../../comparison/comparison-schema.js";
import { compareOnText } from "../compare-on-text.js";
import type { ExperimentOptions } from "../experiment.js";
import type { PolicyChoice, ReadableText } from "../policy-choice.js";
import type { PerplexityResults } from "./perplexity-results.js";
import { poolComparisons } from "./pool-comparisons.js";

/** Options of {@link measurePerplexity}. */
export interface MeasurePerplexityOptions extends ExperimentOptions {
  /** Texts, at least one, none twice. Several are clusters. */
  readonly texts: readonly ReadableText[];
  /** Policies, at least one. */
  readonly policies: readonly PolicyChoice[];
  /** Budgets in cells, at least one, none twice. */
  readonly budgets: readonly number[];
  /** Name of the policy that the others are compared with. Defaults to the first that is `sink-window`, else the first. */
  readonly reference?: string | undefined;
  /** Seed of the intervals. */
  readonly seed: number;
}

/**
 * Perplexity of policies at budgets over texts, from the budget on: table 1 and figures 3 and 5 of Xiao et al., ICLR 2024.
 *
 * @throws {KVPolicyError} `config` without texts, policies or budgets, for a text or budget that is given twice, or for an unknown
 * reference; `empty` for an empty text.
 */
export async function measurePerplexity(options: MeasurePerplexityOptions): Promise<PerplexityResults> {
  const { texts, policies, budgets, seed, surroundings, signal, clock = () => performance.now() } = options;
  const reference = findReference(options);
  const start = clock();
  const readings = budgets.flatMap((budget) => texts.map((text) => ({ budget, text })));
  const comparisons: Comparison[] = [];
  for (const [index, { budget, text }] of readings.entries()) {
    if (signal?.aborted) break;
    const measurement = await compareOnText(options, {
      tokens: text.tokens,
      start: budget,
      contenders: policies.map(({ name, create, cells = budget }) => ({
        name,
        policy: create(budget),
        budget: cells,
      })),
      what: `budget ${budget}, ${text.name}`,
      share: (done, total) => ({ done: index + (total > 0 ? done / total : 0), total: readings.length }),
    });
    const { name, sha256 } = text;
    comparisons.push(buildComparison(measurement, { text: { name, sha256 }, seed, reference }));
  }
  return {
    ...surroundings,
    experiment: "perplexity",
    partial: comparisons.length < readings.length || comparisons.some(({ partial }) => partial),
    milliseconds: clock() - start,
    settings: { budgets: [...budgets], texts: texts.map(({ name }) => name), reference, seed },
    comparisons,
    budgets: budgets.map((budget) => ({
      budget,
      policies: poolComparisons(
        comparisons.filter(({ settings }) => settings.budget === budget),
        texts.length,
      ),
    })),
  };
}

function findReference({ policies, budgets, texts, reference }: MeasurePerplexityOptions): string {
  const [budget] = budgets;
  const [first] = policies;
  for (const [option, list] of Object.entries({ policies, budgets, texts }))
    if (list.length === 0) throw refuse(option, list, `There are no ${option} to measure.`);
  if (budget === undefined || !first) throw refuse("policies", policies, "There is nothing to measure.");
  checkTexts(texts);
  if (new Set(budgets).size < budgets.length)
    throw refuse("budgets", budgets, `No budget may occur twice, as in ${budgets.join(", ")}.`);
  const wanted = policies.find(({ name, create }) =>
    reference === undefined ? create(budget).name === "sink-window" : name === reference,
  );
  if (reference !== undefined && !wanted)
    throw refuse("reference", reference, `The reference "${reference}" is none of the policies.`);
  return (wanted ?? first).name;
}

/** Texts are clusters: one that occurs twice would count as two that are alike, and the interval would have no width. */
function checkTexts(texts: readonly ReadableText[]): void {
  const digests = texts.map(({ sha256 }) => sha256);
  const twice = texts.find(({ sha256 }, index) => digests.indexOf(sha256) < index);
  if (twice) throw refuse("texts", twice.name, `The text "${twice.name}" is given twice.`);
  const empty = texts.find(({ tokens }) => tokens.length === 0);
  if (!empty) return;
  throw new KVPolicyError({
    code: "empty",
    message: `The text "${empty.name}" is empty: there is nothing to read.`,
    details: { what: "text" },
  });
}

function refuse(option: string, value: unknown, message: string): Error {
  return new KVPolicyError({ code: "config", message, details: { option, value } });
}
