import { formatCount, formatMebibytes, formatNumber, formatTimes, NOTHING } from "../report/numbers.js";
import type { TextTable } from "../report/report-section.js";
import type { Comparison, PolicyResults } from "./comparison-schema.js";

/** How well each policy predicts the text. */
export function qualityTable(comparison: Comparison): TextTable {
  const reference = referenceName(comparison);
  return {
    caption: "Quality: perplexity, lower is better",
    columns: [
      "policy",
      "cache full",
      "all tokens",
      `ratio to ${reference ?? "the first"}`,
      "95 % interval",
      "tokens read",
    ],
    rows: comparison.policies.map((policy) => [
      nameOf(policy),
      formatNumber(policy.perplexity.full.value),
      formatNumber(policy.perplexity.all.value),
      policy.name === reference ? "1 (reference)" : formatTimes(policy.ratio?.value ?? null),
      formatInterval(policy.ratio),
      formatCount(policy.tokens),
    ]),
  };
}

/** What each policy costs. */
export function costTable(comparison: Comparison): TextTable {
  const reference = referenceName(comparison);
  return {
    caption: "Cost: time once the cache is full, and memory",
    columns: [
      "policy",
      "stride",
      "ms/token",
      "p50",
      "p95",
      "cost",
      "tokens/s",
      "evictions",
      "evaluated/token",
      "cells peak",
      "cells mean",
      "context MiB",
    ],
    rows: comparison.policies.map((policy) => {
      const { millisecondsPerToken: timing } = policy;
      return [
        nameOf(policy),
        policy.stride === null ? "none" : formatStride(policy.stride),
        formatNumber(timing?.mean),
        formatNumber(timing?.p50),
        formatNumber(timing?.p95),
        policy.name === reference ? "1 (reference)" : formatTimes(policy.costRatio),
        formatNumber(policy.tokensPerSecond),
        formatCount(policy.evictions),
        formatNumber(measuredEvaluations(policy)),
        formatCount(policy.peakCells),
        formatNumber(policy.meanCells, 4),
        formatMebibytes(policy.contextBytes),
      ];
    }),
  };
}

/** Name of the policy that the others are compared with: the one that they name, else the one that carries no ratio of its own. */
export function referenceName({ policies }: Comparison): string | undefined {
  const named = policies.find(({ ratio }) => ratio !== null)?.ratio?.reference;
  return (
    named ?? (policies.find(({ description }) => description.name === "sink-window") ?? policies[0])?.name
  );
}

/** Tokens that the engine evaluated for each that made room, measured; null when nothing left. */
function measuredEvaluations({ evictedTokens, recomputedTokens }: PolicyResults): number | null {
  return evictedTokens === 0 ? null : 1 + recomputedTokens / evictedTokens;
}

function nameOf({ name, status }: PolicyResults): string {
  return status === "complete" ? name : `${name} (${status})`;
}

function formatStride(stride: number): string {
  return Number.isInteger(stride) ? formatCount(stride) : `≈${formatNumber(stride)}`;
}

function formatInterval(ratio: PolicyResults["ratio"]): string {
  if (!ratio) return NOTHING;
  if (!ratio.interval) return "text too short";
  return `${formatNumber(ratio.interval.lower)} … ${formatNumber(ratio.interval.upper)}`;
}
