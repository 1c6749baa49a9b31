import { createStream, type CacheStream, type KVCachePolicy } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";

/** Stream positions that are live, as first and last of each run, one after the other: `[0, 3, 20, 31]`. */
export type Runs = readonly number[];

/** What a policy kept while a stream was read. */
export interface KeptCells {
  /** For every `step`-th token and the last, what was live after it. A stream that failed has fewer rows. */
  readonly rows: readonly Runs[];
  /** What ended the stream before its last token, or let none be opened. */
  readonly failure: unknown;
}

/** How a stream is watched. */
export interface WatchOptions {
  /** Tokens from one row to the next. Defaults to 1. */
  readonly step?: number;
  /** Called after each of these rows: the stream goes on. */
  readonly onRow?: () => void;
}

/** Token ids of the stream; some of few come again and again, as words do. */
const VOCABULARY = 64;

/**
 * Reads a stream of tokens without a model, and notes after every `step`-th, and after the last, which stream positions are live. It
 * begins with a token that is marked `bos`.
 */
export async function watchCells(
  policy: KVCachePolicy,
  budget: number,
  tokens: number,
  { step = 1, onRow }: WatchOptions = {},
): Promise<KeptCells> {
  const rows: Runs[] = [];
  let live: ArrayLike<number> = [];
  let read = 0;
  const note = (positions: ArrayLike<number>): void => {
    live = positions;
    read += 1;
    if (read % step !== 0) return;
    rows.push(runsOf(live));
    onRow?.();
  };
  let failure: unknown;
  try {
    const stream = openStream(policy, budget);
    for (const token of sampleTokens(tokens - 1)) {
      await stream.append([token]);
      // Before the first token there is the one that the stream begins with.
      if (read === 0) note([0]);
      note(stream.cells().positions);
    }
  } catch (error) {
    failure = error;
  }
  if (read % step !== 0) rows.push(runsOf(live));
  return { rows, failure };
}

function openStream(policy: KVCachePolicy, budget: number): CacheStream {
  const backend = new FakeBackend({
    capacity: budget,
    vocabularySize: VOCABULARY,
    attention: "no backend shows it to a policy yet",
    keys: "no backend shows them to a policy yet",
  });
  return createStream({ backend, policy, budget, bos: 0 });
}

/** Runs of consecutive numbers among ascending ones. */
export function runsOf(positions: ArrayLike<number>): Runs {
  const runs: number[] = [];
  for (const position of Array.from(positions)) {
    if (position - 1 === runs.at(-1)) runs[runs.length - 1] = position;
    else runs.push(position, position);
  }
  return runs;
}

/** Runs as text: `0–3, 20–31`. */
export function textOfRuns(runs: Runs): string {
  const texts: string[] = [];
  for (let index = 0; index < runs.length; index += 2) {
    const [first, last] = [runs[index] ?? 0, runs[index + 1] ?? 0];
    texts.push(first === last ? `${first}` : `${first}–${last}`);
  }
  return texts.join(", ");
}

/** The path of a picture with a row for each token and a column for each stream position: a rectangle where it is live. */
export function pathOfRows(rows: readonly Runs[]): string {
  const parts: string[] = [];
  rows.forEach((runs, row) => {
    for (let index = 0; index < runs.length; index += 2) {
      const [first, last] = [runs[index] ?? 0, runs[index + 1] ?? 0];
      parts.push(`M${first} ${row}h${last - first + 1}v1H${first}z`);
    }
  });
  return parts.join("");
}

/** Token ids that are always the same: low ones often, high ones seldom. */
function* sampleTokens(count: number): Generator<number> {
  let state = 1;
  for (let index = 0; index < count; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield 1 + Math.floor((VOCABULARY - 1) * (state / 2 ** 32) ** 3);
  }
}
