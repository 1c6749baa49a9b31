import { brokenLaws, policyLaws, type PolicySubject } from "@kvpolicy/conformance";
import {
  createStream,
  KVPolicyError,
  PINNED_MARK,
  TURN_MARK,
  type CacheRange,
  type CacheStream,
  type EvictionEvent,
  type KVCachePolicy,
  type Mark,
  type Stride,
} from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { dense } from "@kvpolicy/dense";
import { dispersed } from "@kvpolicy/dispersed";
import { headTail } from "@kvpolicy/head-tail";
import { pinned } from "@kvpolicy/pinned";
import { recompute } from "@kvpolicy/recompute";
import { separator } from "@kvpolicy/separator";
import { sinkWindow } from "@kvpolicy/sink-window";
import { surprise } from "@kvpolicy/surprise";
import { turnAligned } from "@kvpolicy/turn-aligned";
import { window } from "@kvpolicy/window";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

/*
 * Combinators around every policy, in any order and several times: a policy that is tested alone says nothing about what becomes of
 * it inside of another one.
 */

/** Compositions of each policy that the laws are tried on, and those that get a stream of their own. */
const COMPOSITIONS = 20;
const STREAMS = 150;

/** A slow machine, or `KVPOLICY_TEST_RUNS`, may take many times as long as usual. */
const TIMEOUT = 600_000;

/** A policy that wraps no other one, and what can be promised of it. */
interface Base {
  /** As it is written. */
  readonly name: string;
  readonly create: () => KVCachePolicy;
  /** Smallest budget that it accepts, as its stride wants it. */
  readonly smallest: number;
  /** First cells that never leave, of a budget. */
  readonly first: (budget: number) => number | "bos";
  /** What the budget leaves to take a stride from. */
  readonly room: (budget: number) => number;
  /** 0 when nothing ever leaves. */
  readonly stride: Stride | undefined;
}

/** What is put around a policy: `pinned`, or else `turnAligned` by the marks of that name. */
type Wrapper = typeof PINNED_MARK | typeof TURN_MARK | "a name of its own";

interface Composition {
  readonly base: Base;
  /** From the inside out. */
  readonly wrappers: readonly Wrapper[];
  /** Cells by which the largest budget is larger than the smallest. */
  readonly span: number;
}

/** What policies with a window are drawn from. The window is the option, or what the smallest budget leaves. */
const windows = fc
  .record({
    size: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 90 })),
    isFixed: fc.boolean(),
    stride: fc.oneof(
      fc.constant(undefined),
      fc.constant<Stride>("half"),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 90 }),
    ),
  })
  .map(({ size, isFixed, stride }) => ({
    size,
    options: {
      ...(isFixed && { window: size }),
      ...(stride !== undefined && { stride: typeof stride === "number" ? Math.min(stride, size) : stride }),
    },
  }));

const sinks = fc.nat(6);

/** A policy that keeps some first cells, others between them and the window, and a window of the rest. */
function windowed<Options extends { readonly stride?: Stride }>(
  name: string,
  factory: (options: Options) => KVCachePolicy,
  { options, size, first, between = 0 }: { options: Options; size: number; first: number; between?: number },
): Base {
  return {
    name: `${name}(${JSON.stringify(options)})`,
    create: () => factory(options),
    smallest: first + between + size,
    first: () => first,
    room: (budget) => budget - first - between,
    stride: options.stride,
  };
}

const bases: Readonly<Record<string, fc.Arbitrary<Base>>> = {
  dense: fc.constant({
    name: "dense()",
    create: dense,
    smallest: 1,
    first: () => Infinity,
    room: () => Infinity,
    stride: 0,
  }),
  window: windows.map(({ size, options }) => windowed("window", window, { options, size, first: 0 })),
  sinkWindow: fc
    .record({ first: sinks, windows })
    .map(({ first, windows: { size, options } }) =>
      windowed("sinkWindow", sinkWindow, { options: { ...options, sinks: first }, size, first }),
    ),
  recompute: fc
    .record({ head: fc.oneof(fc.constantFrom("none" as const, "bos" as const), sinks), windows })
    .map(({ head, windows: { size, options } }): Base => {
      // Its window counts the head. A beginning-of-sequence token is one cell, in streams that have it.
      const cells = head === "none" ? 0 : head === "bos" ? 1 : head;
      const all = { ...options, ...(options.window !== undefined && { window: size + cells }), head };
      const base = windowed("recompute", recompute, { options: all, size, first: cells });
      return { ...base, first: () => (head === "bos" ? head : cells) };
    }),
  separator: fc
    .record({ first: sinks, between: fc.nat(12), windows })
    .map(({ first, between, windows: { size, options } }) =>
      windowed("separator", separator, {
        options: { ...options, sinks: first, separators: between, separatorTokens: [0, 7, 13, 21, 34, 42] },
        size,
        first,
        between,
      }),
    ),
  surprise: fc
    .record({
      first: sinks,
      between: fc.nat(12),
      windows,
      halfLife: fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined }),
    })
    .map(({ first, between, windows: { size, options }, halfLife }) =>
      windowed("surprise", surprise, {
        options: {
          ...options,
          sinks: first,
          surprises: between,
          ...(halfLife !== undefined && { halfLife }),
        },
        size,
        first,
        between,
      }),
    ),
  dispersed: fc
    .record({ first: sinks, between: fc.nat(12), windows, spacing: fc.integer({ min: 1, max: 20 }) })
    .map(({ first, between, windows: { size, options }, spacing }) =>
      windowed("dispersed", dispersed, {
        options: { ...options, sinks: first, anchors: between, spacing },
        size,
        first,
        between,
      }),
    ),
  headTail: fc
    .record({
      head: fc.oneof(fc.constantFrom(0, 0.25, 0.5, 0.9), fc.double({ min: 0, max: 0.99, noNaN: true })),
      windows,
    })
    .map(({ head, windows: { size, options } }): Base => {
      const first = (budget: number): number => Math.floor(head * budget);
      const room = (budget: number): number => budget - first(budget);
      const stride =
        typeof options.stride === "number" ? Math.min(options.stride, room(size)) : options.stride;
      const own = { head, ...(stride !== undefined && { stride }) };
      return {
        name: `headTail(${JSON.stringify(own)})`,
        create: () => headTail(own),
        smallest: size,
        first,
        room,
        stride,
      };
    }),
};

function compositionsOf(base: fc.Arbitrary<Base>): fc.Arbitrary<Composition> {
  return fc.record({
    base,
    wrappers: fc.array(fc.constantFrom<Wrapper[]>(PINNED_MARK, TURN_MARK, "a name of its own"), {
      minLength: 1,
      maxLength: 3,
    }),
    span: fc.nat(24),
  });
}

function create({ base, wrappers }: Composition): KVCachePolicy {
  return wrappers.reduce(
    (inner, name) => (name === PINNED_MARK ? pinned(inner) : turnAligned(inner, { mark: name })),
    base.create(),
  );
}

/** A composition as it is written. */
function nameOf({ base, wrappers }: Composition): string {
  return wrappers.reduce(
    (inner, name) => (name === PINNED_MARK ? `pinned(${inner})` : `turnAligned(${inner}, "${name}")`),
    base.name,
  );
}

/** Most cells that are pinned in a view that the laws show to a policy: six marks of six cells. */
const MOST_PINNED = 36;

/**
 * A composition as a subject of the laws, which promises all that is true of it. What `pinned` wraps plans with a budget that is
 * smaller by the pins.
 */
function subjectOf(composition: Composition, seed: number): PolicySubject {
  const { base, wrappers, span } = composition;
  const isPinned = wrappers.includes(PINNED_MARK);
  const tightest = Math.max(0, base.smallest - (isPinned ? MOST_PINNED : 0));
  return {
    name: nameOf(composition),
    seed,
    create: () => create(composition),
    budgets: { minimum: base.smallest, maximum: base.smallest + span },
    promises: {
      first: base.first(tightest),
      newest: strideLeaves(base.stride, base.room(tightest)),
      pinned: isPinned || base.stride === 0,
      endless: base.stride !== 0,
    },
  };
}

/** Whether a stride that is taken from a window leaves something of it. */
function strideLeaves(stride: Stride | undefined, room: number): boolean {
  return typeof stride === "number" ? stride < room : room > 1;
}

test("budgets and requirements are those of the policy inside of all combinators", () => {
  const compositions = fc.oneof(...Object.values(bases).map(compositionsOf));
  fc.assert(
    fc.property(compositions, fc.integer({ min: 1, max: 120 }), (composition, cells) => {
      const policy = create(composition);
      const inner = composition.base.create();
      expect(policy.budget, nameOf(composition)).toBe(inner.budget);
      expect(policy.requires).toEqual(inner.requires);
      expect(policy.checkBudget?.(cells)).toBe(inner.checkBudget?.(cells));
    }),
    { numRuns: 300 },
  );
});

describe("the laws of policies hold for combinators around", () => {
  const tried = new Map<string, number>();
  const laws = policyLaws.map((law) => ({
    ...law,
    check: (subject: PolicySubject) => {
      tried.set(law.name, (tried.get(law.name) ?? 0) + 1);
      return law.check(subject);
    },
  }));

  test.each(Object.entries(bases))(
    "%s",
    async (_, base) => {
      await fc.assert(
        fc.asyncProperty(compositionsOf(base), fc.integer(), async (composition, seed) => {
          const subject = subjectOf(composition, seed);
          const broken = await brokenLaws(laws, subject);
          expect(
            broken.map(({ message }) => message),
            subject.name,
          ).toEqual([]);
        }),
        // The laws look for a small case themselves, and each takes its time.
        { numRuns: COMPOSITIONS, endOnFailure: true },
      );
    },
    TIMEOUT,
  );

  test("each law many times, but for those about shapes, which combinators do not have", ({ skip }) => {
    skip(tried.size < 2, "no law was tried");
    const names = policyLaws.map(({ name }) => name);
    expect(names.filter((name) => (tried.get(name) ?? 0) <= COMPOSITIONS)).toEqual([
      "evicts what its shape says",
      "has the budget that its shape adds up to",
    ]);
  });
});

/** What happens to a stream: tokens come, or a range is marked that begins so many tokens before its end, or behind it. */
type Step = { readonly append: number } | Marking;

interface Marking {
  readonly mark: string;
  readonly before: number;
  readonly size: number;
}

const histories: fc.Arbitrary<readonly Step[]> = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: fc.record({ append: fc.integer({ min: 1, max: 12 }) }) },
      {
        weight: 4,
        arbitrary: fc.record({
          mark: fc.constantFrom(TURN_MARK, "a name of its own"),
          before: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: -20, max: 60 })),
          size: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 8 })),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          mark: fc.constant(PINNED_MARK),
          before: fc.integer({ min: -20, max: 60 }),
          size: fc.integer({ min: 1, max: 8 }),
        }),
      },
    ),
    { minLength: 20, maxLength: 120 },
  )
  .map((steps) => [{ append: 1 }, ...steps]);

/** What can be known of a stream from what it was told and from its events. */
class Witness {
  /** In stream positions. */
  readonly marks: Mark[] = [];
  /** Stream positions of the cells. */
  cells: number[] = [];
  #next = 0;

  /** Everything has come up to a stream position. */
  fill(position: number): void {
    for (; this.#next < position; this.#next += 1) this.cells.push(this.#next);
  }

  evict(ranges: readonly CacheRange[]): void {
    this.cells = this.cells.filter((_, index) =>
      ranges.every(({ start, end }) => index < start || end <= index),
    );
  }

  isPinned(position: number | undefined): boolean {
    return (
      position !== undefined &&
      this.marks.some(({ name, start, end }) => name === PINNED_MARK && start <= position && position < end)
    );
  }

  /** Cells at which turns begin, as far as they are in the cache. */
  startsOf(mark: string, isCounted: (position: number) => boolean = () => true): number[] {
    return this.marks
      .filter(({ name }) => name === mark)
      .map(({ start, end }) =>
        this.cells.findIndex((position) => start <= position && position < end && isCounted(position)),
      )
      .filter((index) => index >= 0);
  }

  /** Where an eviction may be followed by a turn: the cell behind it, or those behind that as long as they are pinned. */
  turnsBehind({ ranges }: EvictionEvent, mark: string): number[] {
    const end = ranges.at(-1)?.end ?? 0;
    let last = end;
    while (this.isPinned(this.cells[last])) last += 1;
    return this.startsOf(mark).filter((start) => end <= start && start <= last);
  }
}

/** Whether so many tokens found room. */
async function append(stream: CacheStream, count: number): Promise<boolean> {
  const tokens = Uint32Array.from({ length: count }, (_, index) => ((stream.position + index) * 37) % 100);
  try {
    await stream.append(tokens);
    return true;
  } catch (error) {
    if (KVPolicyError.isInstance(error, "cache-full")) return false;
    throw error;
  }
}

/** Marks a range, unless it has left the cache or is a pin that the stream refuses. */
function mark(stream: CacheStream, { mark: name, before, size }: Marking, witness: Witness): void {
  const start = Math.max(0, stream.position - before);
  const range = { start, end: start + size };
  try {
    stream.mark(name, range);
    witness.marks.push({ name, ...range });
  } catch (error) {
    const isRefused =
      KVPolicyError.isInstance(error, "evicted") ||
      (name === PINNED_MARK && KVPolicyError.isInstance(error, "config"));
    if (!isRefused) throw error;
  }
}

/**
 * An eviction ends where a turn begins; or a note says that the turn that is going on was cut, and nothing before that could leave.
 * Answers how many ends were looked at, 0 or 1.
 */
function checkTurns(event: EvictionEvent, witness: Witness, composition: Composition): number {
  const marks = composition.wrappers.filter((wrapper) => wrapper !== PINNED_MARK);
  const outermost = marks.at(-1);
  if (outermost === undefined) return 0;
  // Of a turn whose mark is pinned as a whole, what `pinned` wraps sees no beginning.
  const starts = witness.startsOf(outermost, (position) => !witness.isPinned(position));
  if (starts.length === 0) return 0;
  if (event.note === undefined) {
    expect(witness.turnsBehind(event, outermost), nameOf(composition)).not.toEqual([]);
    return 1;
  }
  // Of several, another one may have said so.
  if (marks.length === 1)
    expect(event.ranges[0]!.start, nameOf(composition)).toBeGreaterThanOrEqual(Math.max(...starts));
  return 0;
}

/** Those that evict one range: others may keep a cell between the last that they evict and the next turn. */
const contiguous = ["window", "sinkWindow", "recompute", "headTail"];

describe("pins stay and turns leave whole, whenever they are marked in a stream, with combinators around", () => {
  test.each(Object.entries(bases))(
    "%s",
    async (name, base) => {
      let aligned = 0;
      const compositions = compositionsOf(base).filter(({ wrappers }) => wrappers.includes(PINNED_MARK));
      const bos = fc.constantFrom(undefined, 0);
      await fc.assert(
        fc.asyncProperty(compositions, bos, histories, async (composition, bos, history) => {
          const policy = create(composition);
          const budget = policy.budget ?? composition.base.smallest + composition.span;
          const backend = new FakeBackend({ capacity: budget });
          await using stream = createStream({ backend, policy, budget, bos });
          const witness = new Witness();
          stream.onEvict((event) => {
            witness.fill(event.position);
            const { cells } = witness;
            expect(cells).toHaveLength(budget);
            expect([...event.positions].filter((position) => witness.isPinned(position))).toEqual([]);
            if (contiguous.includes(name)) aligned += checkTurns(event, witness, composition);
            witness.evict(event.ranges);
          });
          for (const step of history) {
            if ("mark" in step) mark(stream, step, witness);
            else if (!(await append(stream, step.append))) {
              // Pins that leave nothing to evict are refused beforehand: only a policy that evicts nothing ends a stream.
              expect(name).toBe("dense");
              break;
            }
            expect(stream.stats.peakCells).toBeLessThanOrEqual(budget);
            expect(backend.tokens.length).toBeLessThanOrEqual(budget);
          }
          witness.fill(stream.position);
          expect([...stream.cells().positions]).toEqual(witness.cells);
        }),
        { numRuns: STREAMS },
      );
      if (contiguous.includes(name)) expect(aligned).toBeGreaterThan(STREAMS / 2);
    },
    TIMEOUT,
  );
});
