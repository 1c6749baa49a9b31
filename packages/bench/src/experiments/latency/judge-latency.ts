import { formatCount, formatNumber } from "../../report/numbers.js";
import { ratioStrides } from "./latency-charts.js";
import { formatEstimate } from "./latency-tables.js";
import type { LatencyResults, LatencySlope } from "./latency-results.js";

/** The stride of the paper. */
const PAPER_STRIDE = 1;

/** What comes of a latency measurement, a sentence each. */
export function judgeLatency(results: LatencyResults): string[] {
  return [
    ...ratioStrides(results).flatMap((stride) => judgeStride(results, stride)),
    ...judgeAgainstPaper(results),
    ...judgeEvictions(results),
  ];
}

/** Whether a ratio grows with the budget, in words. */
export function judgeSlope(slope: LatencySlope | undefined): string {
  if (!slope) return "whether that grows with the budget is not shown: it takes an interval at two budgets";
  const { interval } = slope;
  const value = `slope ${formatEstimate(slope)} over ${slope.budgets.length} budgets`;
  if (interval && interval.lower > 0) return `it grows with the budget: ${value}`;
  if (interval && interval.upper < 0) return `it falls with the budget: ${value}`;
  return `that it changes with the budget is not shown: ${value}`;
}

function judgeStride(results: LatencyResults, stride: number): string[] {
  const ratios = results.ratios.filter((ratio) => ratio.stride === stride && ratio.recomputeToReuse !== null);
  if (ratios.length === 0) return [];
  const times = ratios.map(
    ({ budget, recomputeToReuse }) =>
      `${formatNumber(recomputeToReuse?.value)}× (${formatCount(budget)} cells)`,
  );
  const slope = results.slopes.find((one) => one.stride === stride);
  return [
    `Stride ${formatCount(stride)}: a token takes recompute ${times.join(", ")} as long as sink-window; ${judgeSlope(slope)}.`,
  ];
}

/** Direction and growth of the paper's figure 10. */
function judgeAgainstPaper({ ratios, slopes }: LatencyResults): string[] {
  const measured = ratios.flatMap(({ stride, recomputeToReuse }) =>
    stride === PAPER_STRIDE && recomputeToReuse?.interval ? [recomputeToReuse.interval] : [],
  );
  if (measured.length === 0) return [];
  const slope = slopes.find(({ stride }) => stride === PAPER_STRIDE)?.interval;
  const isDearer = measured.every(({ lower }) => lower > 1);
  const grows = slope !== null && slope !== undefined && slope.lower > 0;
  const verdict = (isShown: boolean): string => (isShown ? "reproduced" : "not shown");
  return [
    `The paper's figure 10: the direction, a token takes longer where the cache is recomputed for each, is ${verdict(isDearer)} ` +
      `(budgets: ${measured.length}); the growth with the budget is ${verdict(grows)}; the size of the ratio is not comparable.`,
  ];
}

function judgeEvictions({ ratios, settings }: LatencyResults): string[] {
  return settings.budgets.flatMap((budget) => {
    const known = ratios.filter((ratio) => ratio.budget === budget && ratio.reuseToDense !== null);
    if (known.length === 0) return [];
    const times = known.map(
      ({ stride, reuseToDense }) => `${formatEstimate(reuseToDense, "×")} at stride ${formatCount(stride)}`,
    );
    return [
      `Evicting at ${formatCount(budget)} cells: sink-window takes, against plain decoding at the same cache length, ${times.join(", ")}.`,
    ];
  });
}
