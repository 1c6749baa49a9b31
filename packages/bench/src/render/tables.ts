import type { PolicyResults, Results } from "../results/schema.js";
import { formatCount, formatMebibytes, formatNumber, formatTimes, NOTHING } from "./numbers.js";

/** A table as text, for a terminal or a page. The first column names the policy; the others are numbers. */
export interface TextTable {
  /** What the table shows. */
  readonly caption: string;
  /** Column titles. */
  readonly columns: readonly string[];
  /** Cells by row. */
  readonly rows: readonly (readonly string[])[];
}

/** How well each policy predicts the text. */
export function qualityTable(results: Results): TextTable {
  const reference = referenceName(results);
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
    rows: results.policies.map((policy) => [
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
export function costTable(results: Results): TextTable {
  const reference = referenceName(results);
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
    rows: results.policies.map((policy) => {
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
export function referenceName({ policies }: Results): string | undefined {
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
