import { logLogSlope, type PowerLawPoint } from "../../statistics/log-log-slope.js";
import { ratioOfMeans, type Estimate } from "../../statistics/ratio-of-means.js";
import type { LatencyBudget, LatencyRatio, LatencyRow, LatencySlope } from "./latency-results.js";

/** How much the cells that a token sees on average may differ for a length that still counts as equal. */
export const LENGTH_TOLERANCE = 0.05;

/** Ratios of time per token, at each budget for each stride that both kinds have there. */
export function compareLatencies(budgets: readonly LatencyBudget[]): LatencyRatio[] {
  return budgets.flatMap(({ budget, rows }) => {
    const dense = rows.find(({ kind }) => kind === "dense");
    const strides = new Set(rows.flatMap(({ stride }) => (stride === null ? [] : [stride])));
    return [...strides].map((stride): LatencyRatio => {
      const ofKind = (wanted: LatencyRow["kind"]): LatencyRow | undefined =>
        rows.find((row) => row.kind === wanted && row.stride === stride);
      const reuse = ofKind("reuse");
      const isAsLong = areCellsEqual(reuse, dense);
      return {
        budget,
        stride,
        recomputeToReuse: divide(ofKind("recompute"), reuse),
        reuseToDense: isAsLong ? divide(reuse, dense) : null,
      };
    });
  });
}

/** How the ratio of recompute to reuse grows with the budget, for each stride with intervals at two budgets or more. */
export function fitSlopes(ratios: readonly LatencyRatio[]): LatencySlope[] {
  const strides = new Set(ratios.map(({ stride }) => stride));
  return [...strides].flatMap((stride) => {
    const points = ratios.flatMap((ratio): PowerLawPoint[] => {
      const { budget, recomputeToReuse } = ratio;
      return ratio.stride === stride && recomputeToReuse?.interval
        ? [{ x: budget, ...recomputeToReuse }]
        : [];
    });
    if (points.length < 2) return [];
    const { value, interval, worstFactor } = logLogSlope(points);
    return [{ stride, value, interval, worstFactor, budgets: points.map(({ x }) => x) }];
  });
}

function areCellsEqual(one: LatencyRow | undefined, other: LatencyRow | undefined): boolean {
  const [cells, others] = [one?.meanCells ?? NaN, other?.meanCells ?? NaN];
  return Math.abs(cells - others) <= LENGTH_TOLERANCE * others;
}

function divide(one: LatencyRow | undefined, other: LatencyRow | undefined): Estimate | null {
  const [mean, otherMean] = [one?.mean ?? 0, other?.mean ?? 0];
  if (mean <= 0 || otherMean <= 0) return null;
  return ratioOfMeans(
    { mean, interval: one?.interval ?? null },
    { mean: otherMean, interval: other?.interval ?? null },
  );
}
