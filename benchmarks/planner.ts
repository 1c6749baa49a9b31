/**
 * What it costs to decide which tokens leave, in microseconds for each token of the stream, for every policy that evicts, at default
 * strides and on a backend that does nothing:
 *
 * - `plan`: the policy alone. It is asked again and again for the plans of a few evictions in a row of a stream; their time is divided
 *   by the cells that they free, which is the number of tokens until the next one.
 * - `stream`: everything that the stream does for a token: the policy, the check of its plan, marks, mirror, and taking the tokens in,
 *   in calls of 100.
 *
 * Both of streams of 10 and of 200 budgets of tokens, to see whether the cost grows. On a machine that others use, too, one long
 * measurement says little: of many short ones, in rounds in which all take turns, the median and the minimum are given.
 */
import { createRandom, quantiles } from "@kvpolicy/bench";
import {
  countCells,
  createStream,
  PINNED_MARK,
  TURN_MARK,
  type CacheStream,
  type CacheView,
  type KVCacheBackend,
  type KVCachePolicy,
} from "@kvpolicy/core";
import { dispersed } from "@kvpolicy/dispersed";
import { headTail } from "@kvpolicy/head-tail";
import { pinned } from "@kvpolicy/pinned";
import { recompute } from "@kvpolicy/recompute";
import { separator } from "@kvpolicy/separator";
import { sinkWindow } from "@kvpolicy/sink-window";
import { surprise } from "@kvpolicy/surprise";
import { turnAligned } from "@kvpolicy/turn-aligned";
import { window } from "@kvpolicy/window";
import { Bench } from "tinybench";

import { round, writeFigures } from "./shared.js";

const BUDGETS = [256, 1024, 4096, 16_384, 65_536];
/** Tokens of a stream, in budgets. The longer streams of the largest budgets would take minutes. */
const SHORT = 10;
const LONG = 200;
const LARGEST_LONG_BUDGET = 4096;
const ROUNDS = 3;
/** Milliseconds for a task in a round, and the fewest samples. */
const SAMPLING = { time: 40, iterations: 5, warmupTime: 5, warmupIterations: 1 };
/** Milliseconds of a sample of plans, one of which takes less time than a clock can tell. */
const SAMPLE = 0.3;
const WARM_UP = 1000;
/** Evictions in a row whose plans are asked for. */
const VIEWS = 4;

/** Tokens of a call, and of a turn where there are turns. */
const TURN = 100;
const SEPARATOR_SPACING = 12;
const SEPARATORS = 13;
const VOCABULARY = 50_000;

interface Contender {
  readonly name: string;
  readonly create: () => KVCachePolicy;
  /** Pinned ranges, spread over the first half of the first full cache. */
  readonly pins?: number;
  readonly hasTurns?: boolean;
}

const contenders: readonly Contender[] = [
  { name: "window", create: () => window() },
  { name: "sink-window", create: () => sinkWindow() },
  { name: "recompute", create: () => recompute() },
  { name: "head-tail", create: () => headTail() },
  { name: "separator", create: () => separator({ separatorTokens: separators }) },
  { name: "surprise", create: () => surprise() },
  { name: "dispersed", create: () => dispersed() },
  { name: "pinned(sink-window), 1 pin", create: () => pinned(sinkWindow()), pins: 1 },
  { name: "pinned(sink-window), 30 pins", create: () => pinned(sinkWindow()), pins: 30 },
  { name: "turn-aligned(sink-window)", create: () => turnAligned(sinkWindow()), hasTurns: true },
  {
    name: "pinned(turn-aligned(sink-window)), 1 pin",
    create: () => pinned(turnAligned(sinkWindow())),
    pins: 1,
    hasTurns: true,
  },
];

const random = createRandom(1);
const separators = Array.from({ length: SEPARATORS }, (_, id) => id);
/** An endless text, from its beginning again when it is over. */
const text = Uint32Array.from({ length: TURN * SEPARATOR_SPACING * 100 }, (_, position) =>
  position % SEPARATOR_SPACING === SEPARATOR_SPACING - 1
    ? Math.floor(random() * SEPARATORS)
    : SEPARATORS + Math.floor(random() * (VOCABULARY - SEPARATORS)),
);
/** Exponentially distributed, with a mean of 3 nats. */
const likelihoods = Float64Array.from({ length: 1 << 16 }, () => -3 * Math.log(1 - random()));

/** A backend that does nothing; its likelihoods are any. */
function createIdle(): KVCacheBackend {
  let read = 0;
  const next = (count: number): Float64Array => {
    const start = read + count > likelihoods.length ? 0 : read;
    read = start + count;
    return likelihoods.subarray(start, read);
  };
  return {
    capabilities: {
      capacity: 1 << 20,
      batch: 512,
      vocabularySize: VOCABULARY,
      reindex: true,
      truncate: true,
      nll: true,
      attention: "idle",
      keys: "idle",
    },
    decode: (tokens, options) => Promise.resolve(options && next(tokens.length - options.scoreFrom)),
    nll: () => Promise.resolve(next(1)[0] ?? NaN),
    createSampler: () => ({ sample: () => Promise.resolve(0), dispose: () => undefined }),
    evict: () => Promise.resolve(),
    truncate: () => Promise.resolve(),
    clear: () => Promise.resolve(),
    dispose: () => Promise.resolve(),
  };
}

/** A stream that goes on and on, and remembers what its policy was shown when it is told to. */
class Run {
  readonly contender: Contender;
  readonly budget: number;
  readonly policy: KVCachePolicy;
  readonly stream: CacheStream;
  readonly #views: CacheView[] = [];
  #wanted = 0;

  constructor(contender: Contender, budget: number) {
    this.contender = contender;
    this.budget = budget;
    this.policy = contender.create();
    const plan = (view: CacheView): ReturnType<KVCachePolicy["plan"]> => {
      if (this.#views.length < this.#wanted) this.#views.push(copyOf(view));
      return this.policy.plan(view);
    };
    this.stream = createStream({ backend: createIdle(), policy: { ...this.policy, plan }, budget });
    const { pins = 0 } = contender;
    // The pins of small budgets take a quarter of them.
    const size = Math.max(1, Math.min(32, Math.floor(budget / 4 / pins)));
    for (let pin = 0; pin < pins; pin += 1) {
      const start = Math.floor((pin * budget) / 2 / pins);
      this.stream.mark(PINNED_MARK, { start, end: start + size });
    }
  }

  async append(count: number): Promise<void> {
    const { stream, contender } = this;
    for (const end = stream.position + count; stream.position < end;) {
      const { position } = stream;
      if (contender.hasTurns) stream.mark(TURN_MARK, { start: position, end: position + 1 });
      const start = position % text.length;
      await stream.append(text.subarray(start, start + TURN));
    }
  }

  /** What the policy is shown at the next evictions. */
  async views(): Promise<readonly CacheView[]> {
    this.#views.length = 0;
    this.#wanted = VIEWS;
    while (this.#views.length < VIEWS) await this.append(TURN);
    this.#wanted = 0;
    return [...this.#views];
  }
}

/** A view that stays as it is, as fast as that of the stream. */
function copyOf({ length, budget, required, marks, token, streamPosition, nll }: CacheView): CacheView {
  const copy = (read: (index: number) => number): ((index: number) => number) => {
    const values = Float64Array.from({ length }, (_, index) => read(index));
    return (index) => {
      const value = index < length ? values[index] : undefined;
      if (value !== undefined) return value;
      throw new RangeError(`There is no cell ${index}.`);
    };
  };
  return {
    length,
    budget,
    required,
    marks: marks.map((mark) => ({ ...mark })),
    token: copy(token),
    streamPosition: copy(streamPosition),
    ...(nll && { nll: copy(nll) }),
  };
}

interface Task {
  /** Runs a sample, and answers for how many tokens. */
  readonly run: () => number | Promise<number>;
  /** Microseconds a token. */
  readonly samples: number[];
}

/** Plans for some views over and over; answers the cells that they free. */
function planAll(policy: KVCachePolicy, views: readonly CacheView[], times: number): number {
  let freed = 0;
  for (let time = 0; time < times; time += 1) {
    for (const view of views) freed += countCells(policy.plan(view)?.evict ?? []);
  }
  return freed;
}

/** How often plans are asked for in a sample. */
function timesOf(policy: KVCachePolicy, views: readonly CacheView[]): number {
  // The first plans are slow, until they are compiled.
  planAll(policy, views, WARM_UP);
  for (let times = 1; ; times *= 2) {
    const start = performance.now();
    planAll(policy, views, times);
    if (performance.now() - start >= SAMPLE) return times;
  }
}

interface Tasks {
  readonly plan: Task;
  readonly stream: Task;
  /** By a plan, on average. */
  readonly cellsFreed: number;
}

async function tasksOf(run: Run): Promise<Tasks> {
  const { policy, budget } = run;
  const views = await run.views();
  const times = timesOf(policy, views);
  const tokens = TURN * Math.ceil(Math.max(1000, budget) / TURN);
  return {
    plan: { run: () => planAll(policy, views, times), samples: [] },
    stream: { run: () => run.append(tokens).then(() => tokens), samples: [] },
    cellsFreed: planAll(policy, views, 1) / views.length,
  };
}

async function sample(tasks: readonly Task[]): Promise<void> {
  const bench = new Bench({ ...SAMPLING, throws: true });
  const tokens = tasks.map(() => NaN);
  tasks.forEach(({ run }, index) => {
    bench.add(String(index), async () => {
      tokens[index] = await run();
    });
  });
  await bench.warmup();
  await bench.run();
  tasks.forEach(({ samples }, index) => {
    for (const milliseconds of bench.getTask(String(index))?.result?.samples ?? [])
      samples.push((milliseconds * 1000) / tokens[index]!);
  });
}

function figureOf({ samples }: Task): { median: number; minimum: number } {
  const [minimum = NaN, median = NaN] = quantiles(samples, [0, 0.5]);
  return { median: round(median), minimum: round(minimum) };
}

const figures = [];
for (const budget of BUDGETS) {
  const measured: { run: Run; length: number; tasks: Tasks }[] = [];
  for (const length of budget > LARGEST_LONG_BUDGET ? [SHORT] : [SHORT, LONG]) {
    for (const contender of contenders) {
      const run = new Run(contender, budget);
      await run.append(length * budget);
      measured.push({ run, length, tasks: await tasksOf(run) });
    }
  }
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    await sample(measured.flatMap(({ tasks: { plan, stream } }) => [plan, stream]));
  }
  for (const { run, length, tasks } of measured) {
    figures.push({
      policy: run.contender.name,
      budget,
      tokens: length * budget,
      cellsFreed: tasks.cellsFreed,
      microsecondsPerToken: { plan: figureOf(tasks.plan), stream: figureOf(tasks.stream) },
    });
    await run.stream.dispose();
  }
}
await writeFigures("planner", ["planner.ts"], { rounds: ROUNDS, tokensPerCall: TURN, figures });
