import { disposeAll } from "../../measure/dispose-all.js";
import type { LatencyContender } from "./latency-contender.js";
import { LatencyRun, type LatencyRunOptions } from "./latency-run.js";
import type { LatencyBudget } from "./latency-results.js";
import { takeTurns } from "./take-turns.js";

/** Options of {@link measureBudget}. */
export interface MeasureBudgetOptions extends Omit<LatencyRunOptions, "onStep"> {
  /** Whose time is measured. */
  readonly contenders: readonly LatencyContender[];
  /** Share of the time until `lastEnd` that this budget may take. */
  readonly share: number;
  /** Time of the clock at which the larger budgets have to be over, too. */
  readonly lastEnd: number;
  /** Milliseconds that filling in one token took at a smaller budget; undefined where there was none. */
  readonly pace: number | undefined;
  /** Called now and then with what it is at, and the milliseconds that this budget will still take. */
  readonly onProgress: (what: string, left: number) => void;
}

/** One budget, measured. */
export interface MeasuredBudget {
  /** What was measured. */
  readonly measured: LatencyBudget;
  /** Milliseconds that filling in one token took; undefined when nothing was filled. */
  readonly pace: number | undefined;
}

/** Most often that progress is told, in milliseconds. */
const PROGRESS_EVERY = 50;

/** Measures all contenders at one budget, their streams side by side. */
export async function measureBudget(options: MeasureBudgetOptions): Promise<MeasuredBudget> {
  const { budget, contenders, share, lastEnd, clock, residentBytes, signal, onProgress } = options;
  const findEnd = (): number => clock() + Math.max(0, lastEnd - clock()) * share;
  let end = findEnd();
  let [isFilling, told] = [true, -Infinity];
  const onStep = (): void => {
    const now = clock();
    if (now - told < PROGRESS_EVERY) return;
    told = now;
    const left = Math.max(0, end - now);
    if (isFilling) onProgress(`filling caches of ${budget} cells`, left);
    else
      onProgress(
        `decoding at ${budget} cells`,
        Math.min(
          left,
          sumOf(runs, ({ expectedRest }) => expectedRest),
        ),
      );
  };
  const runs = contenders.map((contender) => new LatencyRun(contender, { ...options, onStep }));
  const before = residentBytes?.();
  try {
    await openAll(runs, options);
    const filled = residentBytes?.();
    isFilling = false;
    // Filling may have taken long: what is left is shared out anew.
    end = findEnd();
    await takeTurns(runs, { end, lastEnd, clock, signal });
    return {
      measured: {
        budget,
        residentBytes: before === undefined || filled === undefined ? null : { before, filled },
        rows: runs.map((run) => run.toRow()),
      },
      pace: paceOf(runs),
    };
  } finally {
    await disposeAll(runs);
  }
}

/** Opens and fills the streams of those that have a place at this budget. */
async function openAll(
  runs: readonly LatencyRun[],
  { budget, pace, lastEnd, clock, signal }: MeasureBudgetOptions,
): Promise<void> {
  const isTooLong = pace !== undefined && clock() + pace * budget * runs.length > lastEnd;
  for (const run of runs) {
    if (signal?.aborted) return;
    if (isTooLong) run.giveUp("filling the caches alone would take longer than the time left");
    else await run.open();
  }
}

function paceOf(runs: readonly LatencyRun[]): number | undefined {
  const tokens = sumOf(runs, ({ fill }) => fill.tokens);
  return tokens === 0 ? undefined : sumOf(runs, ({ fill }) => fill.milliseconds) / tokens;
}

function sumOf(runs: readonly LatencyRun[], valueOf: (run: LatencyRun) => number): number {
  return runs.reduce((sum, run) => sum + valueOf(run), 0);
}
