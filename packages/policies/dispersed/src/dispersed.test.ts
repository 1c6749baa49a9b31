import { readFileSync } from "node:fs";

import { policySuite } from "@kvpolicy/conformance";
import {
  createStream,
  PINNED_MARK,
  TURN_MARK,
  type CacheView,
  type EvictionPlan,
  type KVCachePolicy,
  type Mark,
} from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { pinned } from "@kvpolicy/pinned";
import { sinkWindow } from "@kvpolicy/sink-window";
import { turnAligned } from "@kvpolicy/turn-aligned";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { dispersed, type DispersedOptions } from "./dispersed.js";

/** Options with numbers in all places: of a policy whose cells can be foretold. */
type Settled = { readonly [Option in keyof DispersedOptions]-?: number };

function fullView(
  length: number,
  required = 1,
  positionOf = (index: number): number => index,
  marks: readonly Mark[] = [],
): CacheView {
  return Object.freeze({
    length,
    budget: length,
    required,
    marks: Object.freeze(marks),
    token: (index: number) => index,
    streamPosition: positionOf,
  });
}

/** The cells that a plan keeps. */
function keptCells(plan: EvictionPlan | null, length: number): number[] {
  return Array.from({ length }, (_, index) => index).filter(
    (index) => !plan?.evict.some(({ start, end }) => start <= index && index < end),
  );
}

/** The stream positions in the cache after each of `count` tokens. */
async function rowsOf(
  policy: KVCachePolicy,
  count: number,
  { budget, marks = [] }: { readonly budget?: number; readonly marks?: readonly Mark[] } = {},
): Promise<number[][]> {
  const stream = createStream({ backend: new FakeBackend(), policy, budget });
  for (const { name, start, end } of marks) stream.mark(name, { start, end });
  const rows: number[][] = [];
  for (let token = 0; token < count; token += 1) {
    await stream.append([token % 100]);
    rows.push([...stream.cells().positions]);
  }
  return rows;
}

/** How often a position can be halved with a multiple of the spacing left, −1 for none: counted in binary digits. */
function trailingZeros(position: number, spacing: number): number {
  if (BigInt(position) % BigInt(spacing) !== 0n) return -1;
  if (position === 0) return Infinity;
  return /0*$/.exec((BigInt(position) / BigInt(spacing)).toString(2))![0].length;
}

/** The `most` roundest of all these positions, ascending. */
function roundest(positions: readonly number[], most: number, spacing: number): number[] {
  return positions
    .map((position) => ({ position, zeros: trailingZeros(position, spacing) }))
    .filter(({ zeros }) => zeros >= 0)
    .sort((one, other) =>
      one.zeros === other.zeros ? other.position - one.position : other.zeros > one.zeros ? 1 : -1,
    )
    .slice(0, most)
    .map(({ position }) => position)
    .sort((one, other) => one - other);
}

/**
 * What is cached after each of these stream positions was read, by the definition: everything that ever left the window is kept in a
 * list, and the anchors are chosen from the whole of it at every eviction.
 */
function naiveRows(
  positions: readonly number[],
  { sinks, anchors, spacing, window, stride }: Settled,
): number[][] {
  const first: number[] = [];
  const past: number[] = [];
  let chosen: number[] = [];
  let recent: number[] = [];
  return positions.map((position) => {
    if (first.length + chosen.length + recent.length === sinks + anchors + window) {
      past.push(...recent.slice(0, recent.length - (window - stride)));
      recent = recent.slice(recent.length - (window - stride));
      chosen = roundest(past, anchors, spacing);
    }
    (first.length < sinks ? first : recent).push(position);
    return [...first, ...chosen, ...recent];
  });
}

/** Small options of every kind: spacings that are no powers of two, no sinks, no anchors, strides up to the whole window. */
const settled: fc.Arbitrary<Settled> = fc
  .record({
    sinks: fc.nat(6),
    anchors: fc.nat(9),
    spacing: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(16, 64)),
    window: fc.integer({ min: 1, max: 20 }),
    stride: fc.integer({ min: 1, max: 20 }),
  })
  .map((options) => ({ ...options, stride: Math.min(options.stride, options.window) }));

policySuite(
  { describe, test },
  { name: "dispersed()", create: () => dispersed(), promises: { first: 4, endless: true } },
);
policySuite(
  { describe, test },
  {
    name: "dispersed({ sinks: 2, anchors: 6, spacing: 3, window: 12, stride: 1 })",
    create: () => dispersed({ sinks: 2, anchors: 6, spacing: 3, window: 12, stride: 1 }),
    promises: { first: 2, newest: true, endless: true },
  },
);
policySuite(
  { describe, test },
  {
    name: 'dispersed({ sinks: 0, anchors: 8, spacing: 1, stride: "half" })',
    create: () => dispersed({ sinks: 0, anchors: 8, spacing: 1, stride: "half" }),
    promises: { endless: true },
  },
);
policySuite(
  { describe, test },
  {
    name: "pinned(dispersed({ sinks: 2, anchors: 4, spacing: 4 }))",
    create: () => pinned(dispersed({ sinks: 2, anchors: 4, spacing: 4 })),
    promises: { pinned: true },
  },
);
policySuite(
  { describe, test },
  {
    name: "turnAligned(dispersed({ sinks: 2, anchors: 4, spacing: 4 }))",
    create: () => turnAligned(dispersed({ sinks: 2, anchors: 4, spacing: 4 })),
    promises: { first: 2, endless: true },
  },
);

describe("what stays", () => {
  test("the sinks, the roundest positions and the newest", async () => {
    const rows = await rowsOf(dispersed({ sinks: 1, anchors: 3, spacing: 2, window: 4, stride: 1 }), 15);
    expect(rows.slice(7).map((row) => row.join(" "))).toEqual([
      "0 1 2 3 4 5 6 7",
      "0 2 4 5 6 7 8",
      "0 2 4 5 6 7 8 9",
      "0 2 4 6 7 8 9 10",
      "0 2 4 6 8 9 10 11",
      "0 4 6 8 9 10 11 12",
      "0 4 6 8 10 11 12 13",
      "0 4 8 10 11 12 13 14",
    ]);
  });

  test("a stride frees several cells at once, then lets the window grow again", async () => {
    const rows = await rowsOf(dispersed({ sinks: 1, anchors: 2, spacing: 2, window: 5, stride: 2 }), 15);
    expect(rows.slice(7).map((row) => row.join(" "))).toEqual([
      "0 1 2 3 4 5 6 7",
      "0 2 4 5 6 7 8",
      "0 2 4 5 6 7 8 9",
      "0 4 6 7 8 9 10",
      "0 4 6 7 8 9 10 11",
      "0 4 8 9 10 11 12",
      "0 4 8 9 10 11 12 13",
      "0 4 8 11 12 13 14",
    ]);
  });

  test("while there are fewer anchors than allowed, an eviction frees their cells as well", () => {
    const plan = dispersed({ sinks: 1, anchors: 4, spacing: 8, stride: 2 }).plan(fullView(20));
    expect(keptCells(plan, 20)).toEqual([0, ...[7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]]);
    const all = dispersed({ sinks: 1, anchors: 4, spacing: 1, stride: 2 }).plan(fullView(20));
    expect(keptCells(all, 20)).toEqual([0, 2, 4, 5, 6, ...[7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]]);
  });

  test("the spacing doubles from the oldest on, as the README shows", async () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const block =
      /^dispersed\(\{ sinks: 1, anchors: 4, spacing: 4, window: 4, stride: 1 \}\)\n([\s\S]*?)^```/m;
    const shown = [...block.exec(readme)![1]!.matchAll(/^ *(\d+)(?: tokens)? +([\d ]+)$/gm)].map(
      ([, read, positions]) => [Number(read), positions!.trim().split(/ +/).map(Number)] as const,
    );
    expect(shown.map(([read]) => read)).toEqual([32, 64, 128]);
    const rows = await rowsOf(dispersed({ sinks: 1, anchors: 4, spacing: 4, window: 4, stride: 1 }), 128);
    for (const [read, positions] of shown) expect(positions, `after ${read}`).toEqual(rows[read - 1]);
  });

  test("with a spacing of 1, any position can be an anchor", async () => {
    const rows = await rowsOf(dispersed({ sinks: 0, anchors: 4, spacing: 1, window: 3, stride: 1 }), 24);
    expect(rows.slice(7, 10).map((row) => row.join(" "))).toEqual([
      "0 2 3 4 5 6 7",
      "0 2 4 5 6 7 8",
      "0 2 4 6 7 8 9",
    ]);
    expect(rows.at(-1)).toEqual([0, 8, 16, 20, 21, 22, 23]);
  });

  test("a spacing that is no power of two doubles all the same", async () => {
    const rows = await rowsOf(dispersed({ sinks: 2, anchors: 4, spacing: 3, window: 2, stride: 1 }), 100);
    expect(rows[19]).toEqual([0, 1, 6, 9, 12, 15, 18, 19]);
    expect(rows[24]).toEqual([0, 1, 6, 12, 18, 21, 23, 24]);
    expect(rows.at(-1)).toEqual([0, 1, 24, 48, 72, 96, 98, 99]);
  });

  test("the first token stays without sinks, as the roundest, if there is an anchor", async () => {
    expect(
      (await rowsOf(dispersed({ sinks: 0, anchors: 1, spacing: 4, window: 2, stride: 1 }), 40)).at(-1),
    ).toEqual([0, 38, 39]);
    expect(
      (await rowsOf(dispersed({ sinks: 0, anchors: 0, spacing: 4, window: 2, stride: 1 }), 40)).at(-1),
    ).toEqual([38, 39]);
  });

  test("the defaults are four sinks, 32 anchors at multiples of 16, and a sixteenth of the rest", () => {
    const plan = dispersed().plan(fullView(1024));
    // A window of 988 and a stride of 62.
    expect(keptCells(plan, 1024)).toEqual([
      ...[0, 1, 2, 3],
      ...[16, 32, 48, 64, 80, 96],
      ...Array.from({ length: 926 }, (_, index) => 98 + index),
    ]);
    expect(plan?.survivors).toBe("reuse");
  });

  test("is the top of the whole past, however long the stream", async () => {
    await fc.assert(
      fc.asyncProperty(settled, fc.nat(300), async (options, count) => {
        const positions = Array.from({ length: count }, (_, position) => position);
        expect(await rowsOf(dispersed(options), count)).toEqual(naiveRows(positions, options));
      }),
      { numRuns: 200 },
    );
  });

  test("anchors are a power of two spacings apart, the older ones at most twice as far as the newer", async () => {
    await fc.assert(
      fc.asyncProperty(
        settled.filter(({ anchors }) => anchors > 0),
        fc.integer({ min: 100, max: 600 }),
        async (options, count) => {
          const { sinks, anchors, spacing, window, stride } = options;
          const stream = createStream({ backend: new FakeBackend(), policy: dispersed(options) });
          await stream.append(new Uint32Array(count));
          const evictions = stream.stats.evictions;
          while (stream.stats.evictions === evictions) await stream.append([0]);
          const { positions } = stream.cells();
          // Right after an eviction the window holds window − stride cells and the current one.
          const between = [...positions.subarray(sinks, positions.length - (window - stride + 1))];
          const behind = stream.position - (window - stride + 1);
          const multiples = Math.ceil(behind / spacing) - Math.ceil(sinks / spacing);
          expect(between).toHaveLength(Math.min(anchors, multiples));
          const distances = between.slice(1).map((position, index) => position - between[index]!);
          const [oldest = spacing] = distances;
          expect(Number.isInteger(Math.log2(oldest / spacing))).toBe(true);
          const change = distances.findIndex((distance) => distance !== oldest);
          const newer = change < 0 ? [] : distances.slice(change);
          expect(newer).toEqual(newer.map(() => oldest / 2));
          // They reach from the sinks to the window.
          if (distances.length > 0) {
            expect(between[0]! - sinks).toBeLessThan(2 * oldest);
            expect(behind - between.at(-1)!).toBeLessThanOrEqual(oldest);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test.each([2 ** 31, 2 ** 32, 2 ** 40])("positions about %d are as round as others", (far) => {
    const policy = dispersed({ sinks: 1, anchors: 2, spacing: 4, stride: 12 });
    const plan = policy.plan(fullView(24, 1, (index) => far - 7 + index));
    // Of the cells between sink and window, 3, 7 and 11 hold multiples, far − 4, far and far + 4.
    expect(keptCells(plan, 24)).toEqual([0, 7, 11, ...[15, 16, 17, 18, 19, 20, 21, 22, 23]]);
  });

  test("positions up to 2 ** 52 give the same anchors as in whole numbers of any size", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 52 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 39, maxLength: 39 }),
        settled,
        (start, gaps, { spacing, anchors, stride }) => {
          const positions = [start];
          for (const gap of gaps) positions.push(positions.at(-1)! + gap);
          const policy = dispersed({ sinks: 0, anchors, spacing, stride });
          const plan = policy.plan(fullView(40, 1, (index) => positions[index]!));
          const window = 40 - anchors - stride;
          expect(keptCells(plan, 40).map((index) => positions[index])).toEqual([
            ...roundest(positions.slice(0, 40 - window), anchors, spacing),
            ...positions.slice(40 - window),
          ]);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("without anchors it is sinkWindow, plan by plan", () => {
    fc.assert(
      fc.property(
        fc.nat(8),
        fc.integer({ min: 1, max: 40 }),
        fc.oneof(fc.constant(undefined), fc.constant("half" as const), fc.integer({ min: 1, max: 40 })),
        fc.integer({ min: 1, max: 48 }),
        fc.integer({ min: 1, max: 20 }),
        (sinks, window, someStride, someRequired, spacing) => {
          const stride = typeof someStride === "number" ? Math.min(someStride, window) : someStride;
          const view = fullView(sinks + window, Math.min(someRequired, sinks + window));
          expect(dispersed({ sinks, anchors: 0, spacing, stride }).plan(view)).toEqual(
            sinkWindow({ sinks, stride }).plan(view),
          );
        },
      ),
    );
  });
});

describe("plan", () => {
  test("frees at least what is required, keeps the window before the anchors, or answers null; spares the sinks", () => {
    fc.assert(
      fc.property(settled, fc.integer({ min: 1, max: 40 }), (options, someRequired) => {
        const { sinks, anchors, window, stride, spacing } = options;
        const length = sinks + anchors + window;
        const required = Math.min(someRequired, length);
        const plan = dispersed({ sinks, anchors, spacing, stride }).plan(fullView(length, required));
        if (required > length - sinks) {
          expect(plan).toBeNull();
          return;
        }
        const kept = keptCells(plan, length);
        expect(length - kept.length).toBeGreaterThanOrEqual(Math.max(required, stride));
        const recent = Math.min(window - stride, length - sinks - required);
        expect(kept).toEqual(expect.arrayContaining([...Array(sinks).keys()]));
        expect(kept.slice(kept.length - recent)).toEqual(
          Array.from({ length: recent }, (_, index) => length - recent + index),
        );
      }),
    );
  });

  test("keeps the newest token unless the stride is the whole window", () => {
    const view = fullView(10, 1, (index) => index + 1001);
    const kept = (stride: number): number[] =>
      keptCells(dispersed({ sinks: 2, anchors: 2, spacing: 50, stride }).plan(view), 10);
    expect(kept(5)).toEqual([0, 1, 9]);
    expect(kept(6)).toEqual([0, 1]);
  });

  test("a stride of half takes from the window, not from the anchors", () => {
    const plan = dispersed({ sinks: 2, anchors: 4, spacing: 1, stride: "half" }).plan(fullView(20));
    // Half of the window of 14 leaves; of the cells 2 to 12, four are anchors.
    expect(keptCells(plan, 20)).toEqual([0, 1, ...[4, 8, 10, 12], ...[13, 14, 15, 16, 17, 18, 19]]);
  });
});

describe("in a combinator", () => {
  const options: Settled = { sinks: 2, anchors: 3, spacing: 4, window: 6, stride: 2 };

  test("pins stay, and of the others what stays without them, in a cache that is smaller by the pins", async () => {
    const range = fc.tuple(fc.nat(9), fc.integer({ min: 1, max: 6 }));
    await fc.assert(
      fc.asyncProperty(settled, fc.array(range, { maxLength: 3 }), fc.nat(200), async (some, pins, count) => {
        // Behind the sinks: pins among those are sinks, too.
        const marks = pins.map(([offset, size]) => {
          const start = some.sinks + offset;
          return { name: PINNED_MARK, start, end: start + size };
        });
        const isPinned = (position: number): boolean =>
          marks.some(({ start, end }) => start <= position && position < end);
        const positions = Array.from({ length: count }, (_, position) => position);
        const pinnedCells = Array.from({ length: 40 }, (_, position) => position).filter(isPinned);
        const { sinks, anchors, spacing, window, stride } = some;
        // The first full cache holds all pins, so that it can be foretold.
        const budget = sinks + anchors + window + pinnedCells.length;
        fc.pre(budget >= sinks + 16);
        const policy = pinned(dispersed({ sinks, anchors, spacing, stride }));
        const rows = await rowsOf(policy, count, { budget, marks });
        const others = positions.filter((position) => !isPinned(position));
        const last = naiveRows(others, some).at(-1) ?? [];
        const kept = [...pinnedCells.filter((position) => position < count), ...last];
        expect(rows.at(-1) ?? []).toEqual(kept.sort((one, other) => one - other));
      }),
      { numRuns: 200 },
    );
  });

  test("a pinned head serves as the sinks", async () => {
    const { sinks, anchors, spacing, stride } = options;
    const policy = pinned(dispersed({ sinks, anchors, spacing, stride }));
    const marks = [{ name: PINNED_MARK, start: 0, end: 5 }];
    const rows = await rowsOf(policy, 100, { budget: 16, marks });
    expect(rows.at(-1)!.slice(0, 9)).toEqual([...[0, 1, 2, 3, 4], ...[32, 64, 80], 93]);
  });

  test("pins that leave no room for a window are refused", () => {
    const { sinks, anchors, spacing, stride } = options;
    const policy = pinned(dispersed({ sinks, anchors, spacing, stride }));
    const stream = createStream({ backend: new FakeBackend(), policy, budget: 16 });
    expect(() => {
      stream.mark(PINNED_MARK, { start: 2, end: 13 });
    }).toThrow(/of the 5 that are left, 2 sinks and 3 anchors leave no room for a window/);
    stream.mark(PINNED_MARK, { start: 2, end: 11 });
  });

  test("whole turns leave, and the anchors stay that were chosen from them", async () => {
    const marks = Array.from({ length: 40 }, (_, turn) => ({
      name: TURN_MARK,
      start: 5 * turn,
      end: 5 * turn + 1,
    }));
    const rows = await rowsOf(turnAligned(dispersed(options)), 150, { marks });
    expect([13, 63, 111, 148].map((row) => rows[row]!.join(" "))).toEqual([
      "0 1 4 10 11 12 13",
      "0 1 16 40 60 61 62 63",
      "0 1 16 80 100 110 111",
      "0 1 16 80 140 145 146 147 148",
    ]);
  });

  test("turnAligned keeps everything in front of what leaves last", () => {
    fc.assert(
      fc.property(settled, fc.array(fc.nat(60), { maxLength: 8 }), fc.nat(10_000), (some, turns, start) => {
        const { sinks, anchors, window } = some;
        const length = sinks + anchors + window;
        const marks = turns
          .filter((turn) => turn < length)
          .map((turn) => ({ name: TURN_MARK, start: turn, end: turn + 1 }));
        const inner = dispersed(some);
        const view = fullView(length, 1, (index) => start + index, marks);
        const plan = inner.plan(view)!;
        const { end } = plan.evict.at(-1)!;
        const aligned = keptCells(turnAligned(inner).plan(view), length);
        const anchorsKept = keptCells(plan, length).filter((index) => index < end);
        expect(aligned).toEqual(expect.arrayContaining(anchorsKept));
      }),
      { numRuns: 500 },
    );
  });
});

describe("options", () => {
  test.each<[DispersedOptions, RegExp]>([
    [{ sinks: -1 }, /sinks must be a whole number of at least 0, not -1/],
    [{ sinks: 1.5 }, /sinks .* not 1.5/],
    [{ anchors: -1 }, /anchors must be a whole number of at least 0, not -1/],
    [{ anchors: 2.5 }, /anchors .* not 2.5/],
    [{ anchors: Infinity }, /anchors .* not Infinity/],
    [{ spacing: 0 }, /spacing must be a whole number of at least 1, not 0/],
    [{ spacing: -16 }, /spacing .* not -16/],
    [{ spacing: 1.5 }, /spacing .* not 1.5/],
    [{ spacing: NaN }, /spacing .* not NaN/],
    [{ window: 0 }, /window must be a whole number of at least 1, not 0/],
    [{ window: 2.5 }, /window .* not 2.5/],
    [{ stride: 0 }, /stride must be a whole number of at least 1, not 0/],
    [{ window: 8, stride: 9 }, /stride of 9 is larger than the window of 8/],
  ])("%o is refused", (options, message) => {
    expect(() => dispersed(options)).toThrow(
      expect.objectContaining({
        code: "config",
        message: expect.stringMatching(message) as string,
      }) as Error,
    );
  });

  test("a window fixes the budget", () => {
    expect(dispersed({ sinks: 4, anchors: 8, window: 12 }).budget).toBe(24);
    expect(dispersed({ sinks: 4, anchors: 8 }).budget).toBeUndefined();
  });

  test.each<[DispersedOptions, number, string | undefined]>([
    [{}, 36, "4 sinks and 32 anchors leave no room for a window"],
    [{}, 37, undefined],
    [{ sinks: 2, anchors: 4, stride: 3 }, 8, "the stride of 3 is larger than the window of 2 cells"],
    [{ sinks: 2, anchors: 4, stride: 2 }, 8, undefined],
    [{ stride: "half" }, 37, undefined],
  ])("%o with a budget of %i: %s", (options, budget, problem) => {
    expect(dispersed(options).checkBudget?.(budget)).toBe(problem);
  });

  test("it needs a backend that re-indexes", () => {
    expect(dispersed().requires).toEqual(["reindex"]);
  });
});

describe("describe", () => {
  test.each<[DispersedOptions, Readonly<Record<string, unknown>>]>([
    [{}, { sinks: 4, anchors: 32, spacing: 16, window: null, stride: null }],
    [
      { sinks: 1, anchors: 2, spacing: 3, window: 8, stride: "half" },
      { sinks: 1, anchors: 2, spacing: 3, window: 8, stride: "half" },
    ],
  ])("%o is plain data", (settings, options) => {
    expect(dispersed(settings).describe()).toEqual({
      name: "dispersed",
      shape: "opaque",
      first: options["sinks"],
      options,
    });
  });
});
