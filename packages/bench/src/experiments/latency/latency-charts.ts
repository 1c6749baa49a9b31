import type { Chart, ChartSeries } from "../../report/report-section.js";
import type { Estimate } from "../../statistics/ratio-of-means.js";
import { PAPER_FIGURES } from "./paper-figures.js";
import type { LatencyQuality, LatencyResults } from "./latency-results.js";

type Point = ChartSeries["points"][number];

/** What is drawn of a latency measurement. */
export function latencyCharts(results: LatencyResults): Chart[] {
  const { quality } = results;
  return [
    timeChart(results),
    ratioChart(results),
    ...(quality && quality.rows.length > 0 ? [planeChart(quality)] : []),
  ];
}

/** Names of the contenders, in the order given. */
function contenderNames({ budgets }: LatencyResults): string[] {
  return [...new Set(budgets.flatMap(({ rows }) => rows.map(({ contender }) => contender)))];
}

/** Strides at which a ratio was looked for, from the smallest up. */
export function ratioStrides({ ratios }: LatencyResults): number[] {
  return [...new Set(ratios.map(({ stride }) => stride))].sort((one, other) => one - other);
}

function timeChart(results: LatencyResults): Chart {
  return {
    title: "Milliseconds per token over the budget",
    caption: "Milliseconds per token over the budget, decoding one token at a time, with intervals of 95 %.",
    x: { title: "budget (cells)", scale: "log" },
    y: { title: "time (ms/token)", scale: "log" },
    series: contenderNames(results).map((name) => ({
      name,
      mark: "line-with-points",
      points: results.budgets.flatMap(({ budget, rows }) => {
        const row = rows.find(({ contender }) => contender === name);
        return toPoints(budget, row?.mean == null ? null : { value: row.mean, interval: row.interval });
      }),
    })),
  };
}

function ratioChart(results: LatencyResults): Chart {
  return {
    title: "Time of recompute over that of sink-window at the same stride",
    caption:
      "Time per token of recompute over that of sink-window at the same stride, with intervals of 95 %. The paper's own points are of stride 1, " +
      "other models, another engine and a GPU: their direction and growth may be compared, their height may not.",
    x: { title: "budget (cells)", scale: "log" },
    y: { title: "recompute : sink-window (times)", scale: "log" },
    series: [
      ...ratioStrides(results).map((stride): ChartSeries => ({
        name: `stride ${stride}`,
        mark: "line-with-points",
        points: results.ratios.flatMap((ratio) =>
          ratio.stride === stride ? toPoints(ratio.budget, ratio.recomputeToReuse) : [],
        ),
      })),
      ...PAPER_FIGURES.map(({ name, ratios }): ChartSeries => ({
        name,
        mark: "line-with-points",
        points: ratios.map(({ budget, ratio }) => ({ x: budget, y: ratio })),
      })),
    ],
    rules: [{ axis: "y", at: 1, label: "same time" }],
  };
}

function planeChart({ budget, rows }: LatencyQuality): Chart {
  const pointsOf = (wanted: string): Point[] =>
    rows.flatMap(({ kind, stride, perplexity, millisecondsPerToken }) =>
      kind === wanted && perplexity !== null && millisecondsPerToken !== null
        ? [{ x: millisecondsPerToken, y: perplexity, label: `stride ${stride}` }]
        : [],
    );
  return {
    title: `What a stride costs and loses, at ${budget} cells`,
    caption: `Perplexity over the time per token at ${budget} cells; further left is cheaper, further down predicts better.`,
    x: { title: "time (ms/token)", scale: "log" },
    y: { title: "perplexity, cache full", scale: "linear" },
    series: [
      { name: "recompute", mark: "points", points: pointsOf("recompute") },
      { name: "sink-window", mark: "points", points: pointsOf("reuse") },
    ],
  };
}

function toPoints(x: number, estimate: Estimate | null): Point[] {
  if (!estimate) return [];
  return [{ x, y: estimate.value, ...estimate.interval }];
}
