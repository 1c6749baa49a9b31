import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createStream } from "./create-stream.js";
import { KVPolicyError } from "./errors.js";
import { BOS_MARK, PINNED_MARK, type Mark } from "./mark.js";
import { definePolicy, type CacheView, type EvictionPlan, type KVCachePolicy } from "./policy.js";
import type { CacheRange } from "./range.js";
import type { CacheStream, EvictionEvent, GeneratedToken, Snapshot, StreamStats } from "./stream.js";
import { cellContent, FakeBackend, predictNll, type FakeSampling } from "./testing/fake-backend.js";

const VOCABULARY = 20;
const BOS_TOKEN = 7;

/*
 * The model: the stream's rules written down with plain arrays, one token at a time. It forgets no mark, splits no block
 * and knows no pending position; what the fake predicts and stores it takes from the fake's two hash functions.
 */

interface ModelToken {
  readonly token: number;
  readonly position: number;
  readonly nll: number;
}

interface ModelCell extends ModelToken {
  readonly content: number;
}

interface ModelState {
  readonly cells: readonly ModelCell[];
  readonly held: ModelToken | undefined;
  readonly position: number;
  readonly marks: readonly Mark[];
  /** Stream positions of the tokens that needed room. */
  readonly evictedFor: readonly number[];
}

class ModelCacheFull extends Error {}

class NaiveStream {
  state: ModelState;
  readonly events: EvictionEvent[] = [];
  readonly stats = {
    tokens: 0,
    cellsSeen: 0,
    peakCells: 0,
    evictions: 0,
    evictedTokens: 0,
    recomputedTokens: 0,
  };
  readonly #policy: KVCachePolicy;
  readonly #budget: number;
  readonly #start: ModelState;
  /** The cells right after the token before a stream position was read, for as long as that is the stream's past. */
  readonly #history = new Map<number, readonly ModelCell[]>();

  constructor(policy: KVCachePolicy, budget: number, bos: number | undefined) {
    this.#policy = policy;
    this.#budget = budget;
    this.#start = {
      cells: [],
      held: bos === undefined ? undefined : { token: bos, position: 0, nll: NaN },
      position: bos === undefined ? 0 : 1,
      marks: bos === undefined ? [] : [{ name: BOS_MARK, start: 0, end: 1 }],
      evictedFor: [],
    };
    this.state = this.#start;
  }

  get contents(): number[] {
    return this.state.cells.map(({ content }) => content);
  }

  /** Reads the held token. */
  flush(): void {
    if (this.state.held) this.#enter(this.state.held);
    this.#set({ held: undefined });
  }

  append(token: number): number {
    this.flush();
    const { position } = this.state;
    const nll = this.#predict(token);
    this.#enter({ token, position, nll });
    this.#set({ position: position + 1 });
    return nll;
  }

  generated(token: number): void {
    const { position } = this.state;
    this.#set({ held: { token, position, nll: this.#predict(token) }, position: position + 1 });
  }

  mark(mark: Mark): void {
    this.#set({ marks: [...this.state.marks, mark] });
  }

  /** Whether every token of a range has been evicted. */
  hasLeft({ start, end }: CacheRange): boolean {
    const { cells, held, position } = this.state;
    const live = [...cells, ...(held ? [held] : [])];
    return end <= position && !live.some((cell) => start <= cell.position && cell.position < end);
  }

  truncate(position: number): { exact: boolean } {
    const { cells, held, marks, evictedFor } = this.state;
    const exact = evictedFor.every((at) => at < position);
    const keptMarks = marks
      .filter(({ start }) => start < position)
      .map((mark) => ({ ...mark, end: Math.min(mark.end, position) }));
    if (position === this.state.position) {
      this.#set({ marks: keptMarks });
      return { exact: true };
    }
    if (position === this.#start.position) {
      this.clear();
      return { exact: true };
    }
    const before = this.#history.get(position);
    const kept = [...cells, ...(held ? [{ ...held, content: NaN }] : [])].filter(
      (cell) => cell.position < position,
    );
    const last = kept.pop();
    if (exact && before) expect(kept).toEqual(before.slice(0, -1));
    if (exact && before && last) expect(last).toMatchObject({ token: before.at(-1)?.token });
    if (!exact) this.#history.clear();
    this.#set({
      cells: kept,
      held: last && { token: last.token, position: last.position, nll: last.nll },
      position,
      marks: keptMarks,
      evictedFor: evictedFor.map((at) => Math.min(at, position - 1)),
    });
    return { exact };
  }

  clear(): void {
    this.#history.clear();
    this.state = this.#start;
  }

  restore(state: ModelState): void {
    this.#history.clear();
    const cells = [...state.cells];
    this.state = { ...state, held: state.held ?? cells.pop(), cells };
  }

  #predict(token: number): number {
    return this.state.cells.length === 0 ? NaN : predictNll(this.contents, token);
  }

  #enter({ token, position, nll }: ModelToken): void {
    if (this.state.cells.length === this.#budget) this.#makeRoom(position);
    const content = cellContent(this.contents, token);
    const cells = [...this.state.cells, { token, position, nll, content }];
    this.#set({ cells });
    this.#history.set(position + 1, cells);
    this.stats.tokens += 1;
    this.stats.cellsSeen += cells.length;
    this.stats.peakCells = Math.max(this.stats.peakCells, cells.length);
  }

  #makeRoom(position: number): void {
    const { cells, evictedFor } = this.state;
    const plan = this.#policy.plan(this.#view());
    if (!plan) throw new ModelCacheFull();
    const leaves = (index: number): boolean =>
      plan.evict.some(({ start, end }) => start <= index && index < end);
    const gone = cells.filter((_, index) => leaves(index));
    let survivors = cells.filter((_, index) => !leaves(index));
    if (plan.survivors === "recompute") {
      this.stats.recomputedTokens += survivors.length;
      survivors = recomputed(survivors);
    }
    this.stats.evictions += 1;
    this.stats.evictedTokens += gone.length;
    this.events.push({
      policy: this.#policy.name,
      reason: "cache-full",
      ranges: plan.evict,
      tokens: Uint32Array.from(gone, (cell) => cell.token),
      positions: Float64Array.from(gone, (cell) => cell.position),
      survivors: plan.survivors,
      position,
    });
    this.#set({ cells: survivors, evictedFor: [...evictedFor, position] });
  }

  #view(): CacheView {
    const { cells, marks } = this.state;
    return {
      length: cells.length,
      budget: this.#budget,
      required: 1,
      marks: marks.flatMap(({ name, start, end }) => {
        const first = cells.findIndex(({ position }) => start <= position && position < end);
        const last = cells.findLastIndex(({ position }) => start <= position && position < end);
        return first < 0 ? [] : [{ name, start: first, end: last + 1 }];
      }),
      token: (index) => cells[index]!.token,
      streamPosition: (index) => cells[index]!.position,
      ...(this.#policy.requires.includes("nll") && { nll: (index: number) => cells[index]!.nll }),
    };
  }

  #set(changes: Partial<ModelState>): void {
    this.state = { ...this.state, ...changes };
  }
}

function recomputed(cells: readonly ModelCell[]): ModelCell[] {
  const contents: number[] = [];
  return cells.map((cell) => {
    const content = cellContent(contents, cell.token);
    contents.push(content);
    return { ...cell, content };
  });
}

/* Policies of every kind, none of which core knows. All spare pinned cells. */

function isPinned({ marks }: CacheView, index: number): boolean {
  return marks.some(({ name, start, end }) => name === PINNED_MARK && start <= index && index < end);
}

function evictCells(
  view: CacheView,
  cells: readonly number[],
  survivors: EvictionPlan["survivors"],
): EvictionPlan | null {
  const evict: CacheRange[] = [];
  for (const index of cells.filter((cell) => !isPinned(view, cell)).toSorted((a, b) => a - b)) {
    const previous = evict.at(-1);
    if (previous?.end === index) evict[evict.length - 1] = { start: previous.start, end: index + 1 };
    else evict.push({ start: index, end: index + 1 });
  }
  return evict.length < 1 ? null : { evict, survivors };
}

function allCells({ length }: CacheView): number[] {
  return Array.from({ length }, (_, index) => index);
}

function keepFirst(first: number, stride: number, survivors: EvictionPlan["survivors"]): KVCachePolicy {
  return definePolicy({
    name: `keep-${first}-stride-${stride}-${survivors}`,
    plan: (view) => evictCells(view, allCells(view).slice(first, first + stride), survivors),
  });
}

/** Evicts anything at all, several ranges at once, by a hash of everything that a view shows. */
function randomEvictor(seed: number): KVCachePolicy {
  return definePolicy({
    name: `random-${seed}`,
    plan: (view) => {
      const seen = allCells(view).flatMap((index) => [view.token(index), view.streamPosition(index)]);
      const marks = view.marks.flatMap(({ name, start, end }) => [name.length, start, end]);
      const hash = cellContent([...seen, ...marks, view.length, view.budget, view.required], seed);
      const leaving = allCells(view).filter((index) => cellContent([hash], index) % 3 === 0);
      const cells = leaving.length > 0 ? leaving : [hash % view.length];
      return evictCells(view, cells, hash % 4 === 0 ? "recompute" : "reuse");
    },
  });
}

/** Evicts the most predictable tokens. */
function leastSurprising(count: number): KVCachePolicy {
  return definePolicy({
    name: `least-surprising-${count}`,
    requires: ["nll"],
    plan: (view) => {
      const nll = (index: number): number => {
        const value = view.nll?.(index) ?? Infinity;
        return Number.isNaN(value) ? Infinity : value;
      };
      const order = allCells(view).toSorted((a, b) => nll(a) - nll(b) || a - b);
      return evictCells(view, order.slice(0, count), "reuse");
    },
  });
}

const dense = definePolicy({ name: "dense", plan: () => null });

interface Setup {
  readonly policy: KVCachePolicy;
  readonly budget: number;
  readonly bos: number | undefined;
}

const setups: fc.Arbitrary<Setup> = fc
  .record({
    budget: fc.integer({ min: 1, max: 12 }),
    bos: fc.constantFrom(undefined, BOS_TOKEN),
    first: fc.nat(3),
    stride: fc.integer({ min: 1, max: 12 }),
    seed: fc.nat(1000),
    kind: fc.constantFrom("sink-window", "window", "recompute", "random", "nll", "dense"),
  })
  .map(({ budget, bos, first, stride, seed, kind }) => {
    const makers: Record<typeof kind, () => KVCachePolicy> = {
      "sink-window": () => keepFirst(Math.min(first, budget - 1), stride, "reuse"),
      window: () => keepFirst(0, stride, "reuse"),
      recompute: () => keepFirst(Math.min(first, budget - 1), stride, "recompute"),
      random: () => randomEvictor(seed),
      nll: () => leastSurprising(stride),
      dense: () => dense,
    };
    return { policy: makers[kind](), budget, bos };
  });

const tokenLists = fc.array(fc.nat(VOCABULARY - 1), { maxLength: 20, size: "max" });

/* The two sides under comparison. */

interface Pair {
  readonly stream: CacheStream<FakeSampling>;
  readonly backend: FakeBackend;
  readonly model: NaiveStream;
  readonly events: EvictionEvent[];
}

function open({ policy, budget, bos }: Setup, batch: number): Pair {
  const backend = new FakeBackend({ capacity: budget, vocabularySize: VOCABULARY, batch });
  const stream = createStream<FakeSampling>({ backend, policy, budget, bos });
  const events: EvictionEvent[] = [];
  stream.onEvict((event) => events.push(event));
  return { stream, backend, model: new NaiveStream(policy, budget, bos), events };
}

async function contentsOf(backend: FakeBackend): Promise<readonly number[]> {
  const saved = new TextDecoder().decode(await backend.saveState!());
  return (JSON.parse(saved) as [number[], number[]])[1];
}

async function expectSame({ stream, backend, model, events }: Pair): Promise<void> {
  const { cells, position } = model.state;
  const real = stream.cells();
  expect([...real.tokens]).toEqual(cells.map(({ token }) => token));
  expect([...real.positions]).toEqual(cells.map((cell) => cell.position));
  expect(stream.position).toBe(position);
  expect(stream.length).toBe(cells.length);
  expect(backend.tokens).toEqual([...real.tokens]);
  expect(await contentsOf(backend)).toEqual(model.contents);
  expect(events).toEqual(model.events);
  expect(stream.stats).toEqual(model.stats satisfies StreamStats);
}

/* Random histories of a stream. */

type Operation =
  | { readonly kind: "append" | "score"; readonly tokens: readonly number[] }
  | { readonly kind: "abort"; readonly tokens: readonly number[]; readonly steps: number }
  | { readonly kind: "generate"; readonly count: number; readonly seed: number }
  | { readonly kind: "truncate"; readonly percent: number }
  | { readonly kind: "mark"; readonly name: string; readonly offset: number; readonly size: number }
  | { readonly kind: "clear" | "snapshot" | "restore" };

const operations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("append" as const), tokens: tokenLists }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("score" as const), tokens: tokenLists }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("abort" as const), tokens: tokenLists, steps: fc.nat(4) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("generate" as const), count: fc.nat(4), seed: fc.nat(3) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("truncate" as const),
      percent: fc.nat(100),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("mark" as const),
      name: fc.constantFrom("turn", "turn", PINNED_MARK),
      offset: fc.integer({ min: -10, max: 10 }),
      size: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("snapshot" as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("restore" as const) }) },
);

interface Saved {
  readonly snapshot: Snapshot;
  readonly state: ModelState;
}

/** Feeds the model and answers the values up to the token that found no room. */
function feed(model: NaiveStream, tokens: readonly number[]): { nlls: number[]; full: boolean } {
  const nlls: number[] = [];
  try {
    model.flush();
    for (const token of tokens) nlls.push(model.append(token));
    return { nlls, full: false };
  } catch (error) {
    if (error instanceof ModelCacheFull) return { nlls, full: true };
    throw error;
  }
}

async function rejection(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  );
}

function expectOutcome(error: unknown, { nlls, full }: { nlls: number[]; full: boolean }): void {
  if (!full) expect(error).toBeUndefined();
  else expect(error).toMatchObject({ code: "cache-full", details: { appended: nlls.length } });
}

/** Whether a stream lets itself be marked: pins that would let nothing leave are refused. */
function marks(stream: Pair["stream"], name: string, range: CacheRange): boolean {
  try {
    stream.mark(name, range);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: "config", details: { option: PINNED_MARK } });
    expect(name).toBe(PINNED_MARK);
    return false;
  }
}

async function run(pair: Pair, operation: Operation, saved: Saved[], bos: number | undefined): Promise<void> {
  const { stream, model } = pair;
  switch (operation.kind) {
    case "append":
      expectOutcome(await rejection(stream.append(operation.tokens)), feed(model, operation.tokens));
      break;
    case "score": {
      const { tokens } = operation;
      const into = new Float64Array(tokens.length).fill(-1);
      const error = await rejection(stream.score(tokens, { into }));
      const expected = feed(model, tokens);
      expectOutcome(error, expected);
      expect([...into]).toEqual([...expected.nlls, ...tokens.slice(expected.nlls.length).map(() => -1)]);
      break;
    }
    case "abort":
      await runAborted(pair, operation.tokens, operation.steps);
      break;
    case "generate":
      await runGenerate(pair, operation.count, operation.seed);
      break;
    case "truncate": {
      const minimum = bos === undefined ? 0 : 1;
      const position = minimum + Math.floor((operation.percent * (stream.position - minimum)) / 100);
      expect(await stream.truncate(position)).toEqual(model.truncate(position));
      break;
    }
    case "mark": {
      const start = Math.max(0, stream.position + operation.offset);
      const range = { start, end: start + operation.size };
      if (model.hasLeft(range)) {
        expect(() => {
          stream.mark(operation.name, range);
        }).toThrow(expect.objectContaining({ code: "evicted" }));
        break;
      }
      // Whether a pin is refused rightly is tested where that is decided; here, that a refused one is not set.
      if (marks(stream, operation.name, range)) model.mark({ name: operation.name, ...range });
      break;
    }
    case "clear":
      await stream.clear();
      model.clear();
      break;
    case "snapshot":
      saved.push({ snapshot: await stream.snapshot(), state: model.state });
      break;
    case "restore": {
      const latest = saved.at(-1);
      if (!latest) return;
      await stream.restore(latest.snapshot);
      model.restore(latest.state);
    }
  }
}

async function runAborted({ stream, model }: Pair, tokens: readonly number[], steps: number): Promise<void> {
  const controller = new AbortController();
  const reason = new Error("enough");
  let appended = 0;
  let taken = 0;
  if (steps === 0) controller.abort(reason);
  const error = await rejection(
    stream.append(tokens, {
      signal: controller.signal,
      onStep: (count) => {
        appended = count;
        taken += 1;
        if (taken === steps) controller.abort(reason);
      },
    }),
  );
  if (error === reason) {
    if (taken > 0) feed(model, tokens.slice(0, appended));
  } else {
    expectOutcome(error, feed(model, tokens));
  }
}

async function runGenerate({ stream, model }: Pair, count: number, seed: number): Promise<void> {
  const generation = stream.generate({ maxTokens: count, seed });
  for (let index = 0; index < count; index += 1) {
    const result: unknown = await generation.next().catch((error: unknown) => error);
    const { full } = feed(model, []);
    if (KVPolicyError.isInstance(result)) {
      expect(result.code).toBe(full ? "cache-full" : "empty");
      if (!full) expect(model.state.cells).toEqual([]);
      return;
    }
    const { value } = result as IteratorYieldResult<GeneratedToken>;
    expect(result).toEqual({
      done: false,
      value: { token: value.token, position: model.state.position, text: "" },
    });
    model.generated(value.token);
  }
  expect(await generation.next()).toEqual({ done: true, value: { reason: "length", text: "" } });
}

/** Cuts a list into pieces of the given sizes, again and again. */
function cut<Item>(items: readonly Item[], sizes: readonly number[]): Item[][] {
  const pieces: Item[][] = [];
  for (let start = 0, turn = 0; start < items.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    pieces.push(items.slice(start, start + size));
    start += size;
  }
  return pieces;
}

describe("a stream and the naive model", () => {
  test("agree on cells, values and evictions however the tokens are cut into calls", async () => {
    await fc.assert(
      fc.asyncProperty(
        setups,
        fc.array(fc.nat(VOCABULARY - 1), { maxLength: 60 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 16 }),
        async (setup, tokens, sizes, batch) => {
          const pair = open(setup, batch);
          const scores: number[] = [];
          let failed = false;
          for (const piece of cut(tokens, sizes)) {
            const into = new Float64Array(piece.length);
            const error = await rejection(pair.stream.score(piece, { into }));
            const appended = KVPolicyError.isInstance(error, "cache-full")
              ? error.details.appended
              : piece.length;
            scores.push(...into.subarray(0, appended));
            if (error === undefined) continue;
            expect(error).toMatchObject({ code: "cache-full" });
            failed = true;
            break;
          }
          const { nlls, full } = feed(pair.model, tokens);
          expect(failed).toBe(full);
          expect(scores).toEqual(nlls);
          if (tokens.length > 0) await expectSame(pair);
        },
      ),
    );
  });

  test("agree after every operation of a random history", async () => {
    await fc.assert(
      fc.asyncProperty(
        setups,
        fc.integer({ min: 1, max: 9 }),
        fc.array(operations, { maxLength: 25, size: "max" }),
        async (setup, batch, history) => {
          const pair = open(setup, batch);
          const saved: Saved[] = [];
          for (const operation of history) {
            await run(pair, operation, saved, setup.bos);
            await expectSame(pair);
          }
        },
      ),
      { numRuns: 3 * (fc.readConfigureGlobal().numRuns ?? 100) },
    );
  });

  test("agree after a snapshot was restored into another stream", async () => {
    await fc.assert(
      fc.asyncProperty(
        setups,
        fc.array(operations, { maxLength: 12 }),
        tokenLists,
        async (setup, history, continuation) => {
          const first = open(setup, 4);
          for (const operation of history) await run(first, operation, [], setup.bos);
          const second = open(setup, 3);
          await second.stream.restore(structuredClone(await first.stream.snapshot()));
          const into = new Float64Array(continuation.length);
          const error = await rejection(second.stream.score(continuation, { into }));
          const expected = feed(first.model, continuation);
          expectOutcome(error, expected);
          expect([...into.subarray(0, expected.nlls.length)]).toEqual(expected.nlls);
          expect(await contentsOf(second.backend)).toEqual(first.model.contents);
        },
      ),
    );
  });

  test("generate the same tokens whatever the batch and the cuts before", async () => {
    await fc.assert(
      fc.asyncProperty(
        setups.filter(({ policy }) => policy !== dense),
        fc.array(fc.nat(VOCABULARY - 1), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(20),
        async (setup, tokens, batch, count) => {
          const whole = open(setup, batch);
          await whole.stream.append(tokens);
          const single = open(setup, 1);
          for (const token of tokens) await single.stream.append([token]);
          const generated = async ({ stream }: Pair): Promise<number[]> => {
            const drawn: number[] = [];
            for await (const { token } of stream.generate({ maxTokens: count, seed: 5 })) drawn.push(token);
            return drawn;
          };
          expect(await generated(whole)).toEqual(await generated(single));
        },
      ),
    );
  });
});
