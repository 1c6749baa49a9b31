import { policySuite } from "@kvpolicy/conformance";
import {
  BOS_MARK,
  countCells,
  createStream,
  definePolicy,
  PINNED_MARK,
  TURN_MARK,
  type CacheView,
  type KVCachePolicy,
  type Mark,
} from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { turnAligned } from "@kvpolicy/turn-aligned";
import { window } from "@kvpolicy/window";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { pinned } from "./pinned.js";

const inners: readonly (() => KVCachePolicy)[] = [
  () => sinkWindow(),
  () => sinkWindow({ sinks: 4, window: 20, stride: 3 }),
  () => window({ stride: "half" }),
  () => recompute({ stride: 2 }),
  () => dense(),
  () => turnAligned(sinkWindow({ sinks: 2, stride: 2 })),
];

for (const create of inners) {
  const { name, options, inner } = create().describe();
  policySuite(
    { describe, test },
    {
      name: `pinned(${name}(${JSON.stringify(inner ?? options)}))`,
      create: () => pinned(create()),
      promises: { pinned: true },
    },
  );
}

/** A policy that evicts cells here and there, as a seed says, and keeps nothing that it promised. */
function scattered(seed: number, first: number): KVCachePolicy {
  return definePolicy({
    name: "scattered",
    requires: ["reindex"],
    plan: ({ length, required }) => {
      const evict = Array.from({ length }, (_, index) => index)
        .filter((index) => (index * 7 + seed) % 3 !== 0 || length - index <= required)
        .map((index) => ({ start: index, end: index + 1 }));
      return evict.length < required ? null : { evict, survivors: "reuse" };
    },
    describe: () => ({
      name: "scattered",
      shape: { first, recent: "rest", stride: "default", survivors: "reuse" },
      options: {},
    }),
  });
}

function viewOf(length: number, marks: readonly Mark[], required = 1): CacheView {
  const read = (index: number): number => {
    if (index >= 0 && index < length) return index;
    throw new Error(`there is no cell ${index}`);
  };
  return { length, budget: length, required, marks, token: read, streamPosition: read };
}

const pin = (start: number, end: number): Mark => ({ name: PINNED_MARK, start, end });

describe("what leaves", () => {
  test("is as much as ever, however many pins lie in between", () => {
    const pins = Array.from({ length: 15 }, (_, index) => pin(4 + 2 * index, 5 + 2 * index));
    const plan = pinned(sinkWindow({ sinks: 4, stride: 8 })).plan(viewOf(64, pins));
    expect(plan?.evict).toEqual(
      Array.from({ length: 8 }, (_, index) => ({ start: 5 + 2 * index, end: 6 + 2 * index })),
    );
  });

  test("begins behind a pinned head, which serves as the sinks", () => {
    const policy = pinned(sinkWindow({ sinks: 4, stride: 8 }));
    expect(policy.plan(viewOf(64, [pin(0, 20)]))?.evict).toEqual([{ start: 20, end: 28 }]);
    // A head that is shorter than the sinks leaves them as they are.
    expect(policy.plan(viewOf(64, [pin(0, 2)]))?.evict).toEqual([{ start: 4, end: 12 }]);
    expect(policy.plan(viewOf(64, [pin(2, 6)]))?.evict).toEqual([{ start: 6, end: 14 }]);
  });

  test("is as much as ever where the inner policy keeps a share of its budget", () => {
    const share = definePolicy({
      name: "share",
      requires: ["reindex"],
      checkBudget: (budget) => (budget < 4 ? "there is no room for a stride" : undefined),
      plan: ({ budget }) => ({
        evict: [{ start: budget >> 1, end: (budget >> 1) + 2 }],
        survivors: "reuse",
      }),
      describe: (budget = 0) => ({ name: "share", shape: "opaque", first: budget >> 1, options: {} }),
    });
    for (let end = 1; end <= 12; end += 1) {
      expect(countCells(pinned(share).plan(viewOf(16, [pin(0, end)]))?.evict ?? [])).toBe(2);
      expect(countCells(pinned(share).plan(viewOf(16, [pin(16 - end, 16)]))?.evict ?? [])).toBe(2);
    }
  });

  test("is as much as ever where the inner policy would keep a beginning-of-sequence token, and there is none", () => {
    const policy = pinned(recompute({ stride: 2 }));
    expect(policy.plan(viewOf(16, [pin(0, 1)]))?.evict).toEqual([{ start: 1, end: 3 }]);
    const bos = { name: BOS_MARK, start: 0, end: 1 };
    expect(policy.plan(viewOf(16, [pin(0, 1), bos]))?.evict).toEqual([{ start: 1, end: 3 }]);
    expect(policy.plan(viewOf(16, [pin(0, 1), bos], 15))?.evict).toEqual([{ start: 1, end: 16 }]);
  });

  test("is nothing where the pins leave the inner policy too little to work with", () => {
    const policy = pinned(sinkWindow({ sinks: 2, stride: 8 }));
    expect(policy.plan(viewOf(16, [pin(4, 10)]))?.evict).toEqual([
      { start: 2, end: 4 },
      { start: 10, end: 16 },
    ]);
    expect(policy.plan(viewOf(16, [pin(4, 11)]))).toBeNull();
  });

  test("is a share of what the pins leave, where the inner stride is one", () => {
    const half = pinned(sinkWindow({ sinks: 4, stride: "half" }));
    expect(half.plan(viewOf(64, [pin(0, 44)]))?.evict).toEqual([{ start: 44, end: 54 }]);
  });

  test("is nothing when the pins leave too little", () => {
    const policy = pinned(sinkWindow({ sinks: 0 }));
    expect(policy.plan(viewOf(16, [pin(0, 16)]))).toBeNull();
    expect(policy.plan(viewOf(16, [pin(0, 12)], 5))).toBeNull();
    expect(policy.plan(viewOf(16, [pin(0, 12)], 4))?.evict).toEqual([{ start: 12, end: 16 }]);
    // An inner policy is never asked for more cells than it sees.
    const careless = definePolicy({
      name: "careless",
      plan: ({ required }) => ({ evict: [{ start: 0, end: required }], survivors: "recompute" }),
    });
    expect(pinned(careless).plan(viewOf(16, [pin(0, 12)], 5))).toBeNull();
  });

  test("is what the inner policy says when there are no pins", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 8, max: 60 }),
        fc.integer({ min: 1, max: 8 }),
        fc.nat(),
        (length, required, seed) => {
          const view = viewOf(length, [{ name: TURN_MARK, start: 3, end: 4 }], required);
          for (const inner of [scattered(seed, 4), turnAligned(sinkWindow()), recompute()])
            expect(pinned(inner).plan(view)).toEqual(inner.plan(view));
        },
      ),
    );
  });

  test("is never pinned, whatever the inner policy says, and enough whenever there is enough", () => {
    const marks = fc.array(
      fc
        .tuple(fc.nat(39), fc.integer({ min: 1, max: 12 }))
        .map(([start, size]) => pin(start, Math.min(40, start + size))),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(
        marks,
        fc.integer({ min: 1, max: 40 }),
        fc.nat(5),
        fc.nat(12),
        (pins, required, seed, first) => {
          const plan = pinned(scattered(seed, first)).plan(viewOf(40, pins, required));
          const isPinned = (index: number): boolean =>
            pins.some(({ start, end }) => start <= index && index < end);
          const free = Array.from({ length: 40 }, (_, index) => index).filter(
            (index) => !isPinned(index),
          ).length;
          if (required > free) {
            expect(plan).toBeNull();
            return;
          }
          expect(countCells(plan?.evict ?? [])).toBeGreaterThanOrEqual(required);
          let previous = 0;
          for (const { start, end } of plan?.evict ?? []) {
            expect(start).toBeGreaterThanOrEqual(previous);
            for (let index = start; index < end; index += 1) expect(isPinned(index)).toBe(false);
            previous = end;
          }
        },
      ),
    );
  });
});

test("the inner policy sees the other cells as they are: tokens, stream positions, likelihoods and marks", () => {
  const seen: unknown[] = [];
  const inner = definePolicy({
    name: "curious",
    requires: ["nll"],
    plan: ({ length, budget, marks, token, streamPosition, nll }) => {
      seen.push({
        length,
        budget,
        marks,
        cells: Array.from({ length }, (_, index) => [token(index), streamPosition(index), nll?.(index)]),
      });
      return { evict: [{ start: 1, end: 4 }], survivors: "recompute" };
    },
  });
  const view: CacheView = {
    length: 8,
    budget: 8,
    required: 2,
    marks: [
      pin(1, 3),
      pin(5, 6),
      { name: TURN_MARK, start: 4, end: 5 },
      { name: "doc", start: 2, end: 7 },
      { name: "gone", start: 1, end: 2 },
    ],
    token: (index) => 10 + index,
    streamPosition: (index) => 100 + index,
    nll: (index) => index / 10,
  };
  expect(pinned(inner).plan(view)).toEqual({
    evict: [
      { start: 3, end: 5 },
      { start: 6, end: 7 },
    ],
    survivors: "recompute",
  });
  expect(seen).toEqual([
    {
      length: 5,
      budget: 5,
      marks: [
        { name: TURN_MARK, start: 2, end: 3 },
        { name: "doc", start: 1, end: 4 },
      ],
      cells: [0, 3, 4, 6, 7].map((index) => [10 + index, 100 + index, index / 10]),
    },
  ]);
});

describe("a conversation whose system prompt is pinned", () => {
  const conversation = fc.record({
    budget: fc.integer({ min: 24, max: 120 }),
    head: fc.integer({ min: 1, max: 20 }),
    sinks: fc.integer({ min: 0, max: 6 }),
    stride: fc.oneof(fc.constant(undefined), fc.constant("half" as const), fc.integer({ min: 1, max: 40 })),
    turns: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 40 }),
    cut: fc.integer({ min: 1, max: 9 }),
    survivors: fc.constantFrom("reuse", "recompute"),
  });

  test("keeps it, and of the rest whole exchanges, unless one fills all that is there", async () => {
    await fc.assert(
      fc.asyncProperty(conversation, async ({ budget, head, sinks, stride, turns, cut, survivors }) => {
        const room = budget - Math.max(head, sinks);
        // A stride larger than what the head leaves would be refused.
        const bounded = typeof stride === "number" ? Math.min(stride, room) : stride;
        const inner =
          survivors === "reuse"
            ? sinkWindow({ sinks, stride: bounded })
            : recompute({ head: sinks, stride: bounded });
        const stream = createStream({
          backend: new FakeBackend({ capacity: budget }),
          policy: pinned(turnAligned(inner)),
          budget,
        });
        stream.mark(PINNED_MARK, { start: 0, end: head });
        await stream.append(new Uint32Array(head));
        const starts: number[] = [];
        for (const size of turns) {
          starts.push(stream.position);
          stream.mark(TURN_MARK, { start: stream.position, end: stream.position + 1 });
          for (let left = size; left > 0; left -= cut) {
            await stream.append(new Uint32Array(Math.min(left, cut)));
            const { positions } = stream.cells();
            const live = new Set(positions);
            for (let position = 0; position < head; position += 1) expect(live.has(position)).toBe(true);
            starts.forEach((start, turn) => {
              const end = starts[turn + 1] ?? stream.position;
              const left = [...live].filter((position) => start <= position && position < end).length;
              const isSink = start < sinks;
              // An exchange that fills the room is cut into; its remains go with the next eviction.
              const wasTooLarge = end - start >= room;
              if (!isSink && !wasTooLarge) expect([0, end - start]).toContain(left);
            });
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test("does the other way round, too, as far as pins go", async () => {
    const stream = createStream({
      backend: new FakeBackend(),
      policy: turnAligned(pinned(sinkWindow({ sinks: 0, stride: 1 }))),
      budget: 16,
    });
    await stream.append(new Uint32Array(6));
    stream.mark(PINNED_MARK, { start: 4, end: 5 });
    stream.mark(TURN_MARK, { start: 8, end: 9 });
    // Widened to the turn at 8, and around the pin all the same: nothing is lost.
    await stream.append(new Uint32Array(11));
    expect([...stream.cells().positions].slice(0, 2)).toEqual([4, 8]);
  });
});

describe("options", () => {
  test("are those of the inner policy", () => {
    const policy = pinned(sinkWindow({ sinks: 4, window: 60, stride: 8 }));
    expect(policy).toMatchObject({ name: "pinned", budget: 64, requires: ["reindex"] });
    expect(policy.checkBudget?.(8)).toMatch(/stride of 8/);
    expect(pinned(dense()).budget).toBeUndefined();
    expect(pinned(recompute()).requires).toEqual([]);
  });

  test("are described with it", () => {
    const inner = sinkWindow();
    expect(pinned(inner).describe()).toEqual({
      name: "pinned",
      shape: "opaque",
      options: {},
      inner: inner.describe(),
    });
  });

  test("must be a policy", () => {
    expect(() => pinned(sinkWindow as never)).toThrow(expect.objectContaining({ code: "config" }) as Error);
  });
});
