import { movingBlockBootstrap } from "../../statistics/bootstrap.js";
import { mean } from "../../statistics/perplexity.js";
import type { MeasuredStream } from "../../measure/measured-model.js";
import type { LoopedText } from "./looped-text.js";
import { judgeRatio } from "./judge-ratio.js";
import type { SideBySide } from "./soak-results.js";

/** Fewest tokens that the young stream has read when the comparison begins, unless the old one has read fewer. */
const YOUNG_AGE = 10_000;
/** Fewest budgets of them: its cache is full by then, and has been evicted from. */
const YOUNG_BUDGETS = 2;
/** Fewest blocks of rounds that an interval may rest on. */
const FEWEST_BLOCKS = 8;

/** How much is read for the comparison. */
export interface ComparisonLength {
  /** Tokens of the text that the old stream has read. */
  readonly read: number;
  /** Cells of both streams. */
  readonly budget: number;
  /** Tokens of a turn. */
  readonly chunk: number;
  /** Rounds of four turns. */
  readonly rounds: number;
}

/** Options of {@link compareWithYoung}. */
export interface CompareWithYoungOptions extends ComparisonLength {
  /** The stream that has read the soak. It goes on with the text. */
  readonly old: MeasuredStream;
  /** An empty stream with the same policy and budget. */
  readonly young: MeasuredStream;
  /** The text. */
  readonly text: LoopedText;
  /** Seed of the interval. */
  readonly seed: number;
  /** Tells the time in milliseconds. */
  readonly clock: () => number;
  /** Stops between two steps. */
  readonly signal: AbortSignal | undefined;
  /** Called after each step with the tokens that both have read for the comparison. */
  readonly onStep: (done: number) => void;
}

/** Tokens that {@link compareWithYoung} reads. */
export function countComparedTokens(length: ComparisonLength): number {
  const { chunk, rounds } = length;
  return rounds === 0 ? 0 : youngAgeOf(length) + 4 * (rounds + 1) * chunk;
}

function youngAgeOf({ read, budget }: ComparisonLength): number {
  return Math.min(read, Math.max(YOUNG_AGE, YOUNG_BUDGETS * budget));
}

/**
 * Times the stream at its end against one that has just begun, in turns, so that a machine that becomes slower does so for both. The
 * young one reads what the old one read last; then both read the same chunks, two a round: old, young, young, old. So what grows
 * steadily within a round cancels. The first round warms both up and is left out.
 *
 * @throws {unknown} `signal.reason` when the signal stops it, and what the streams throw.
 */
export async function compareWithYoung(options: CompareWithYoungOptions): Promise<SideBySide> {
  const { old, young, text, read, chunk, rounds, seed, clock, signal, onStep } = options;
  const youngAge = youngAgeOf(options);
  let done = 0;
  /** Milliseconds a token. */
  const time = async (stream: MeasuredStream, tokens: Uint32Array): Promise<number> => {
    const before = clock();
    await stream.score(tokens, {
      signal,
      onStep: (appended) => {
        onStep(done + appended);
      },
    });
    const milliseconds = clock() - before;
    done += tokens.length;
    return milliseconds / tokens.length;
  };

  await time(young, text.take(read - youngAge, youngAge));
  const times = { old: [] as number[], young: [] as number[], logarithms: [] as number[] };
  for (let round = 0; round <= rounds; round += 1) {
    const start = read + 2 * round * chunk;
    const [first, second] = [text.take(start, chunk), text.take(start + chunk, chunk)];
    const firstOld = await time(old, first);
    const firstYoung = await time(young, first);
    const secondYoung = await time(young, second);
    const secondOld = await time(old, second);
    if (round === 0) continue;
    times.old.push(firstOld, secondOld);
    times.young.push(firstYoung, secondYoung);
    times.logarithms.push((Math.log(firstOld / firstYoung) + Math.log(secondOld / secondYoung)) / 2);
  }
  const { mean: logarithm, interval } = movingBlockBootstrap(Float64Array.from(times.logarithms), {
    seed,
    shortestBlock: 1,
    fewestBlocks: FEWEST_BLOCKS,
  });
  const ratio = {
    value: Math.exp(logarithm),
    interval: interval && { lower: Math.exp(interval.lower), upper: Math.exp(interval.upper) },
  };
  return {
    youngAge,
    rounds,
    chunk,
    oldMillisecondsPerToken: mean(Float64Array.from(times.old)),
    youngMillisecondsPerToken: mean(Float64Array.from(times.young)),
    ratio,
    verdict: judgeRatio(ratio),
  };
}
