import {
  formatCount,
  formatInterval,
  formatMebibytes,
  formatNumber,
  formatTimes,
  NOTHING,
} from "../../report/numbers.js";
import type { TextTable } from "../../report/report-section.js";
import { quantiles } from "../../statistics/quantiles.js";
import type { Estimate } from "../../statistics/ratio-of-means.js";
import { ratioStrides } from "./latency-charts.js";
import { PAPER_FIGURES } from "./paper-figures.js";
import type { LatencyBudget, LatencyQuality, LatencyResults } from "./latency-results.js";

/** The numbers of a latency measurement. */
export function latencyTables(results: LatencyResults): TextTable[] {
  const { quality } = results;
  return [
    ratioTable(results),
    evictionTable(results),
    ...results.budgets.map((budget) => timeTable(budget, results.settings.precision)),
    memoryTable(results),
    ...(quality && quality.rows.length > 0 ? [qualityTable(quality)] : []),
  ];
}

/** A value with its interval: `4.20 [4.00 … 4.40]`. */
export function formatEstimate(estimate: Estimate | null, unit = ""): string {
  if (!estimate) return NOTHING;
  const { value, interval } = estimate;
  return `${formatNumber(value)}${unit}${interval ? ` [${formatInterval(interval)}]` : ""}`;
}

/** How far an interval reaches from its mean: `±7.0 %`, or `no interval`. */
export function formatReach(share: number | null): string {
  return share === null ? "no interval" : `±${formatNumber(share * 100, 2)} %`;
}

function ratioTable(results: LatencyResults): TextTable {
  const { budgets } = results.settings;
  const slopeOf = (stride: number): string =>
    formatEstimate(results.slopes.find((slope) => slope.stride === stride) ?? null);
  return {
    caption: "Time of recompute over that of sink-window at the same stride",
    columns: ["stride", ...budgets.map((budget) => `${formatCount(budget)} cells`), "slope"],
    rows: [
      ...ratioStrides(results).map((stride) => [
        formatCount(stride),
        ...budgets.map((budget) =>
          formatEstimate(findRatio(results, budget, stride)?.recomputeToReuse ?? null, "×"),
        ),
        slopeOf(stride),
      ]),
      ...PAPER_FIGURES.map(({ name, ratios }) => [
        `1, ${name}`,
        ...budgets.map((budget) => formatTimes(ratios.find((one) => one.budget === budget)?.ratio ?? null)),
        NOTHING,
      ]),
    ],
  };
}

function evictionTable(results: LatencyResults): TextTable {
  const { budgets } = results.settings;
  return {
    caption: "What evicting costs: time of sink-window over that of dense at the same cache length",
    columns: ["stride", ...budgets.map((budget) => `${formatCount(budget)} cells`)],
    rows: ratioStrides(results).map((stride) => [
      formatCount(stride),
      ...budgets.map((budget) =>
        formatEstimate(findRatio(results, budget, stride)?.reuseToDense ?? null, "×"),
      ),
    ]),
  };
}

function timeTable({ budget, rows }: LatencyBudget, precision: number): TextTable {
  return {
    caption: `Time per token at ${formatCount(budget)} cells`,
    columns: [
      "contender",
      "ms/token",
      "95 % interval",
      "p50",
      "p95",
      "units",
      "tokens",
      "precision",
      "evaluated/token",
      "cells mean",
    ],
    rows: rows.map((row) => [
      row.status === "measured"
        ? row.contender
        : `${row.contender} (${row.status === "failed" ? "failed" : "left out"})`,
      formatNumber(row.mean),
      formatInterval(row.interval),
      formatNumber(row.p50),
      formatNumber(row.p95),
      formatCount(row.units),
      formatCount(row.tokens),
      row.units === 0 ? NOTHING : `asked ${formatReach(precision)}, reached ${formatReach(row.reached)}`,
      formatNumber(row.evaluatedPerToken),
      formatNumber(row.meanCells, 4),
    ]),
  };
}

function memoryTable({ budgets }: LatencyResults): TextTable {
  return {
    caption: "Memory",
    columns: [
      "budget",
      "context (MiB)",
      "resident, a stream (MiB)",
      "streams open",
      "resident, before (MiB)",
      "resident, filled (MiB)",
    ],
    rows: budgets.map(({ budget, rows, residentBytes }) => {
      const opened = rows.filter(({ contextBytes }) => contextBytes !== null);
      return [
        formatCount(budget),
        formatMebibytes(median(rows.map(({ contextBytes }) => contextBytes))),
        formatMebibytes(median(rows.map((row) => row.residentBytes))),
        formatCount(opened.length),
        formatMebibytes(residentBytes?.before ?? null),
        formatMebibytes(residentBytes?.filled ?? null),
      ];
    }),
  };
}

function qualityTable({ budget, rows }: LatencyQuality): TextTable {
  return {
    caption: `Perplexity and cost at ${formatCount(budget)} cells`,
    columns: ["contender", "ms/token", "perplexity", "tokens", "ratio to sink-window, same stride"],
    rows: rows.map(({ contender, millisecondsPerToken, perplexity, tokens, ratioToReuse }) => [
      contender,
      formatNumber(millisecondsPerToken),
      formatNumber(perplexity),
      formatCount(tokens),
      formatEstimate(ratioToReuse, "×"),
    ]),
  };
}

function findRatio(
  { ratios }: LatencyResults,
  budget: number,
  stride: number,
): LatencyResults["ratios"][number] | undefined {
  return ratios.find((ratio) => ratio.budget === budget && ratio.stride === stride);
}

/** What is typical of the streams of a budget: the growth of the process jumps when memory is given back. */
function median(bytes: readonly (number | null)[]): number | null {
  const known = bytes.filter((one) => one !== null);
  return known.length === 0 ? null : (quantiles(known, [0.5])[0] ?? null);
}
