import type { Chart, ChartSeries } from "../../report/report-section.js";
import type { StreamEvalAnswer, StreamEvalPolicy, StreamEvalResults } from "./stream-eval-results.js";

/** Points of a series over the stream. */
const POINTS = 12;

/** Margin by distance. */
export function marginByDistanceChart({ policies, settings }: StreamEvalResults): Chart {
  return {
    title: "Margin by distance",
    caption:
      "Mean margin of the queries of each distance, with intervals of 95 %, over the tokens between the value and its query.",
    x: { title: "distance (tokens)", scale: "linear" },
    y: { title: "margin (nats)", scale: "linear" },
    series: policies.map(({ name, distances }) => ({
      name,
      mark: "line-with-points",
      points: distances.flatMap(({ tokens, margin }) =>
        margin ? [{ x: tokens, y: margin.mean, ...margin.interval }] : [],
      ),
    })),
    rules: [budgetRule(settings.budget), { axis: "y", at: 0, label: "no trace of the value" }],
  };
}

/** Accuracy by distance. */
export function accuracyByDistanceChart({ policies, settings }: StreamEvalResults): Chart {
  return {
    title: "Accuracy by distance",
    caption: "Share of right answers at each distance, with Wilson intervals of 95 %.",
    x: { title: "distance (tokens)", scale: "linear" },
    y: { title: "right answers (%)", scale: "linear" },
    series: policies.map(({ name, distances }) => ({
      name,
      mark: "line-with-points",
      points: distances.flatMap(({ tokens, queries, right, rightInterval }) =>
        right === null || !rightInterval
          ? []
          : [
              {
                x: tokens,
                y: (100 * right) / queries,
                lower: 100 * rightInterval.lower,
                upper: 100 * rightInterval.upper,
              },
            ],
      ),
    })),
    rules: [budgetRule(settings.budget)],
  };
}

/** Margin along the stream. */
export function marginOverStreamChart({ policies, record, settings }: StreamEvalResults): Chart {
  return {
    title: "Margin along the stream",
    caption: `Means of up to ${POINTS} stretches of the stream with equally many queries each, for lines inside and outside of the cache.`,
    x: { title: "stream position (tokens)", scale: "linear" },
    y: { title: "margin (nats)", scale: "linear" },
    series: policies.flatMap((policy) =>
      (["inside", "outside"] as const).map((place) => ({
        name: `${policy.name}, ${place}`,
        mark: "line-with-points" as const,
        points: meansAlong(policy, place, record.queries),
      })),
    ),
    rules: [budgetRule(settings.budget), { axis: "y", at: 0, label: "no trace of the value" }],
  };
}

function budgetRule(budget: number): NonNullable<Chart["rules"]>[number] {
  return { axis: "x", at: budget, label: `budget ${budget}` };
}

function meansAlong(
  { answers }: StreamEvalPolicy,
  place: StreamEvalAnswer["place"],
  queries: StreamEvalResults["record"]["queries"],
): ChartSeries["points"] {
  const wanted = answers.flatMap((answer) => {
    const position = queries[answer.query]?.position;
    if (answer.place !== place || answer.margin === null || position === undefined) return [];
    return [{ position, margin: answer.margin }];
  });
  const stretches = Math.min(POINTS, wanted.length);
  return Array.from({ length: stretches }, (_, index) => {
    const part = wanted.slice(
      Math.floor((index * wanted.length) / stretches),
      Math.floor(((index + 1) * wanted.length) / stretches),
    );
    const mean = (values: readonly number[]): number =>
      values.reduce((sum, value) => sum + value, 0) / values.length;
    return { x: mean(part.map(({ position }) => position)), y: mean(part.map(({ margin }) => margin)) };
  });
}
