/**
 * What the range algebra of the core costs, in nanoseconds a call: every function of it that runs at an eviction, for caches of 256 to
 * 65,536 cells and 1, 30 and 1,000 ranges, where they fit.
 *
 * The ranges lie evenly over the cache, each as long as the gap behind it; those subtracted from as many others overlap each of them by
 * a half. `keepHighest` keeps 4 first cells and one random cell less than there are ranges, between which it evicts a sixteenth of the cache.
 * `made` is the number of ranges in the answer.
 *
 * A call takes less time than a clock can tell, so a sample is many calls. Of many short samples, in rounds in which all take turns, the
 * median and the minimum are given.
 */
import { createRandom, quantiles } from "@kvpolicy/bench";
import {
  countCells,
  keepHighest,
  mergeRanges,
  subtractRanges,
  type CacheRange,
  type CacheView,
} from "@kvpolicy/core";
import { Bench } from "tinybench";

import { round, writeFigures } from "./shared.js";

const CELLS = [256, 1024, 4096, 16_384, 65_536];
const RANGES = [1, 30, 1000];
const SEED = 1;
const ROUNDS = 3;
/** Milliseconds for a task in a round, and the fewest samples. */
const SAMPLING = { time: 30, iterations: 5, warmupTime: 5, warmupIterations: 1 };
/** Milliseconds of a sample. */
const SAMPLE = 0.3;
/** The first calls are slow, until they are compiled. */
const WARM_UP = 1000;

interface Task {
  readonly operation: string;
  readonly cells: number;
  readonly ranges: number;
  /** A call; answers how many ranges it made, or cells it counted. */
  readonly call: () => number;
  /** Calls of a sample. */
  readonly calls: number;
  /** Nanoseconds a call. */
  readonly samples: number[];
}

const random = createRandom(SEED);

/** Ranges over the whole cache, each as long as the gap behind it; `shift` is a share of their length. */
function spread(cells: number, count: number, shift = 0): CacheRange[] {
  const period = Math.floor(cells / count);
  const length = Math.floor(period / 2);
  return Array.from({ length: count }, (_, index) => {
    const start = index * period + Math.floor(shift * length);
    return { start, end: start + length };
  });
}

function shuffle<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, key: random() }))
    .sort((one, other) => one.key - other.key)
    .map(({ value }) => value);
}

/** A full cache, whose cells are worth what was drawn. */
function fullCache(length: number): CacheView & { readonly worth: Float64Array } {
  return {
    length,
    budget: length,
    required: 1,
    marks: [],
    token: () => 0,
    streamPosition: (index) => index,
    worth: Float64Array.from({ length }, random),
  };
}

/** What is measured in a cache with so many ranges. */
function callsOf(cells: number, count: number): Record<string, () => number> {
  const ranges = spread(cells, count);
  const others = spread(cells, count, 0.5);
  const unsorted = shuffle(ranges);
  const whole = [{ start: 0, end: cells }];
  const front = [{ start: 0, end: cells >> 1 }];
  const view = fullCache(cells);
  const score = (index: number): number => view.worth[index] ?? NaN;
  return {
    "countCells(ranges)": () => countCells(ranges),
    "mergeRanges(sorted)": () => mergeRanges(ranges).length,
    "mergeRanges(unsorted)": () => mergeRanges(unsorted).length,
    "subtractRanges(one, ranges)": () => subtractRanges(whole, ranges).length,
    "subtractRanges(ranges, one)": () => subtractRanges(ranges, front).length,
    "subtractRanges(ranges, as many)": () => subtractRanges(ranges, others).length,
    keepHighest: () =>
      keepHighest(view, { first: 4, between: count - 1, stride: cells / 16, score })?.evict.length ?? 0,
  };
}

function repeat(call: () => number, calls: number): number {
  let sum = 0;
  for (let index = 0; index < calls; index += 1) sum += call();
  return sum;
}

function timeOf(call: () => number, calls: number): number {
  const start = performance.now();
  repeat(call, calls);
  return performance.now() - start;
}

/** How many calls a sample takes. */
function callsOfSample(call: () => number): number {
  for (let start = performance.now(), calls = 0; calls < WARM_UP && performance.now() - start < 100;) {
    repeat(call, 10);
    calls += 10;
  }
  let calls = 1;
  while (timeOf(call, calls) < SAMPLE) calls *= 2;
  return calls;
}

async function sample(tasks: readonly Task[]): Promise<void> {
  const bench = new Bench({ ...SAMPLING, throws: true });
  tasks.forEach(({ call, calls }, index) => {
    bench.add(String(index), () => repeat(call, calls));
  });
  await bench.warmup();
  await bench.run();
  tasks.forEach(({ calls, samples }, index) => {
    for (const milliseconds of bench.getTask(String(index))?.result?.samples ?? [])
      samples.push((milliseconds * 1e6) / calls);
  });
}

const tasks: Task[] = [];
for (const cells of CELLS) {
  // A range and its gap have at least two cells each, so that ranges can overlap by a half.
  for (const ranges of RANGES.filter((count) => 4 * count <= cells)) {
    for (const [operation, call] of Object.entries(callsOf(cells, ranges)))
      tasks.push({ operation, cells, ranges, call, calls: callsOfSample(call), samples: [] });
  }
}
for (let turn = 0; turn < ROUNDS; turn += 1) await sample(tasks);

const figures = tasks.map(({ operation, cells, ranges, call, samples }) => {
  const [minimum = NaN, median = NaN] = quantiles(samples, [0, 0.5]);
  return {
    operation,
    cells,
    ranges,
    ...(!operation.startsWith("countCells") && { made: call() }),
    nanosecondsPerCall: { median: round(median), minimum: round(minimum) },
  };
});
await writeFigures("ranges", ["ranges.ts"], { seed: SEED, rounds: ROUNDS, figures });
