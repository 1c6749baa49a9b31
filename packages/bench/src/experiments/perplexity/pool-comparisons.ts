import type { Comparison, PolicyResults } from "../../comparison/comparison-schema.js";
import type { Interval } from "../../results/header.js";
import { clusterInterval } from "../../statistics/cluster-interval.js";
import type { PooledPolicy } from "./perplexity-results.js";

/**
 * The figures of each policy over several texts at one budget.
 *
 * Of one text they are those of the text itself, with its moving-block bootstrap. Several texts are clusters: perplexity and ratio are over
 * the tokens of all, and their intervals come from how much the texts differ: there is none while only one of them was read.
 *
 * @param comparisons - One for each text that was read at this budget.
 * @param texts - Texts that were to be read.
 */
export function poolComparisons(comparisons: readonly Comparison[], texts: number): PooledPolicy[] {
  const names = [...new Set(comparisons.flatMap(({ policies }) => policies.map(({ name }) => name)))];
  return names.map((name) => {
    const rows = comparisons.flatMap(({ policies }) => policies.filter((policy) => policy.name === name));
    const known = rows.filter(({ perplexity }) => perplexity.full.value !== null);
    const [first] = known;
    if (first && texts === 1) return describeText(first);
    const perplexity = pool(
      known.map(({ perplexity: { full } }) => clusterOf(full.value ?? NaN, full.tokens)),
    );
    const ratio = pool(
      known.flatMap((row) => (row.ratio ? [clusterOf(row.ratio.value, row.ratio.tokens)] : [])),
    );
    return {
      name,
      texts: known.length,
      perplexity: perplexity?.value ?? null,
      interval: perplexity?.interval ?? null,
      ratio: ratio ?? null,
    };
  });
}

function describeText({ name, perplexity, ratio }: PolicyResults): PooledPolicy {
  return {
    name,
    texts: 1,
    perplexity: perplexity.full.value,
    interval: perplexity.interval,
    ratio: ratio && { value: ratio.value, interval: ratio.interval },
  };
}

interface Cluster {
  readonly sum: number;
  readonly count: number;
}

function clusterOf(value: number, tokens: number): Cluster {
  return { sum: Math.log(value) * tokens, count: tokens };
}

function pool(clusters: readonly Cluster[]): { value: number; interval: Interval | null } | undefined {
  if (clusters.length === 0) return undefined;
  const { mean, interval } = clusterInterval(clusters);
  return {
    value: Math.exp(mean),
    interval: interval && { lower: Math.exp(interval.lower), upper: Math.exp(interval.upper) },
  };
}
