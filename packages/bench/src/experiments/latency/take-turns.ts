import { formatTime } from "./format-time.js";
import type { LatencyRun } from "./latency-run.js";

/** How long turns may go on. */
export interface TakeTurnsOptions {
  /** Time of the clock at which these runs have to be over. */
  readonly end: number;
  /** Time of the clock until which a run without a single unit may still take one. */
  readonly lastEnd: number;
  /** Tells the time in milliseconds. */
  readonly clock: () => number;
  /** Stops between two tokens. */
  readonly signal: AbortSignal | undefined;
}

/** A turn of a cheap run lasts as long as the dearest unit of the round divided by this. */
const CHEAP_SHARE = 16;

/**
 * Lets runs measure in rounds, each in turn, so that a machine that becomes slower does so for all.
 *
 * A run takes part until its interval is narrow enough, or the next unit is beyond its share of the time. All that still measure have
 * the same share; what others leave is theirs. When no next unit is within the share, the dearest run gives up, and leaves its time
 * to the others. A first unit that counts is beyond no share, as long as there is any time for it.
 *
 * A turn is one unit. A run whose units are far cheaper than the dearest of the round takes several, and goes on when its interval is
 * narrow enough: it is to see the same hours of the machine as those that it will be compared with.
 */
export async function takeTurns(runs: readonly LatencyRun[], options: TakeTurnsOptions): Promise<void> {
  const { end, lastEnd, clock, signal } = options;
  const over = new Set<LatencyRun>();
  while (!signal?.aborted) {
    const working = runs.filter((run) => run.isOpen && !run.isSettled && !over.has(run));
    if (working.length === 0) return;
    const share = (end - clock() + sumOf(working, ({ spent }) => spent)) / working.length;
    const hasTime = (run: LatencyRun): boolean =>
      run.units === 0 || (run.spent + run.expected <= share && clock() + run.expected <= end);
    const within = working.filter(hasTime);
    const cheapTurn = dearestOf(working).expected / CHEAP_SHARE;
    const isCheap = (run: LatencyRun): boolean => run.isOpen && run.isSettled && run.expected <= cheapTurn;

    // The cheapest first: where time is short, they are not to be left without a unit by one that takes it all.
    for (const run of [...runs].sort((one, other) => one.expected - other.expected)) {
      const takesPart = within.includes(run) || (within.length > 0 && isCheap(run));
      if (!takesPart || signal?.aborted) continue;
      const left = lastEnd - clock();
      if (run.units > 0 || run.expected <= left) await takeTurn(run, cheapTurn, options);
      else {
        run.giveUp(
          `one stride would take at least ${formatTime(run.expected)}, and ${formatTime(left)} of the time allowed were left`,
        );
        over.add(run);
      }
    }
    if (within.length === 0) over.add(dearestOf(working));
  }
}

/** One unit, and further ones as long as they are cheap. */
async function takeTurn(
  run: LatencyRun,
  cheapTurn: number,
  { end, clock, signal }: TakeTurnsOptions,
): Promise<void> {
  const turnEnd = Math.min(end, clock() + cheapTurn);
  do await run.takeUnit();
  while (run.isOpen && !signal?.aborted && clock() + run.expected <= turnEnd);
}

function dearestOf(runs: readonly LatencyRun[]): LatencyRun {
  return runs.reduce((most, run) => (run.expected > most.expected ? run : most));
}

function sumOf(runs: readonly LatencyRun[], valueOf: (run: LatencyRun) => number): number {
  return runs.reduce((sum, run) => sum + valueOf(run), 0);
}
