import { formatInterval, formatTimes } from "../../report/numbers.js";
import { NON_INFERIORITY_MARGIN } from "../../statistics/compare-in-words.js";
import type { LatencyRatio } from "../latency/latency-results.js";
import type { Found } from "./found.js";
import type { ReproducedTarget } from "./reproduce-results.js";

/** What this project wants to be true, and whether it is on one model and machine. */
export interface ProjectTarget extends Pick<ReproducedTarget, "what" | "target"> {
  /** Holds the target against what was measured. */
  readonly judge: (found: Found) => Judgement;
}

type Judgement = Pick<ReproducedTarget, "ours" | "verdict">;

const NOT_MEASURED = { ours: "–", verdict: "not measured" } as const;
/** Cells at which an eviction is timed against plain decoding, and those that it frees: the default stride there. */
const EVICTION = { budget: 1024, stride: 64, most: 1.05 };

/** The targets that one model can show. */
export const PROJECT_TARGETS: readonly ProjectTarget[] = [
  {
    what: "Perplexity of window against sink-window",
    target: "at least 1.8 times",
    judge: (found) => judgeRatio(found, "window", (value) => value >= 1.8),
  },
  {
    what: "Perplexity of sink-window against recompute, not inferior",
    target: `at most ${NON_INFERIORITY_MARGIN} times, with the upper bound`,
    judge: (found) => judgeRatio(found, "recompute", (_value, lower) => 1 / lower <= NON_INFERIORITY_MARGIN),
  },
  {
    what: `Decoding with evictions against plain decoding at the same cache length, budget ${EVICTION.budget}, stride ${EVICTION.stride}`,
    target: `at most ${EVICTION.most} times`,
    judge: (found: Found): Judgement => {
      const row = ratioAt(found, EVICTION.budget, EVICTION.stride)?.reuseToDense;
      if (!row) return NOT_MEASURED;
      return { ours: describe(row.value, row.interval), verdict: verdictOf(row.value <= EVICTION.most) };
    },
  },
  ...(
    [
      [256, 80],
      [1024, 250],
    ] as const
  ).map(([budget, least]): ProjectTarget => ({
    what: `Time of recompute against sink-window at stride 1, budget ${budget}, on a CPU`,
    target: `at least ${least} times`,
    judge: (found: Found): Judgement => {
      const row = ratioAt(found, budget, 1)?.recomputeToReuse;
      if (!row || found.of("latency")?.machine.device !== "cpu") return NOT_MEASURED;
      return { ours: describe(row.value, row.interval), verdict: verdictOf(row.value >= least) };
    },
  })),
];

function judgeRatio(
  found: Found,
  policy: string,
  isReached: (value: number, lower: number) => boolean,
): Judgement {
  const row = found.of("perplexity")?.budgets[0]?.policies.find(({ name }) => name === policy);
  if (!row?.ratio?.interval) return NOT_MEASURED;
  const { value, interval } = row.ratio;
  const ours = `${policy} : sink-window ${describe(value, interval)}`;
  return { ours, verdict: verdictOf(isReached(value, interval.lower)) };
}

function ratioAt(found: Found, budget: number, stride: number): LatencyRatio | undefined {
  return found.of("latency")?.ratios.find((row) => row.budget === budget && row.stride === stride);
}

function describe(value: number, interval: Parameters<typeof formatInterval>[0]): string {
  return `${formatTimes(value)} (${formatInterval(interval)})`;
}

function verdictOf(isReached: boolean): ReproducedTarget["verdict"] {
  return isReached ? "reached" : "not reached";
}
