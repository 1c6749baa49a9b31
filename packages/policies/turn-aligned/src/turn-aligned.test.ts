import { policySuite } from "@kvpolicy/conformance";
import {
  createStream,
  definePolicy,
  PINNED_MARK,
  TURN_MARK,
  type CacheRange,
  type CacheView,
  type KVCachePolicy,
  type Mark,
} from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { turnAligned } from "./turn-aligned.js";

const inners: readonly (() => KVCachePolicy)[] = [
  () => sinkWindow(),
  () => sinkWindow({ sinks: 4, window: 20, stride: 3 }),
  () => window({ stride: 2 }),
  () => recompute({ head: 2, stride: 2 }),
];

for (const create of inners) {
  const { name, options, shape } = create().describe();
  policySuite(
    { describe, test },
    {
      name: `turnAligned(${name}(${JSON.stringify(options)}))`,
      create: () => turnAligned(create()),
      promises: { first: shape === "opaque" ? 0 : shape.first, endless: true },
    },
  );
}

const turn = (start: number): Mark => ({ name: TURN_MARK, start, end: start + 1 });

function viewOf(length: number, marks: readonly Mark[], required = 1): CacheView {
  const read = (index: number): number => index;
  return { length, budget: length, required, marks, token: read, streamPosition: read };
}

function evicting(...evict: CacheRange[]): KVCachePolicy {
  return definePolicy({ name: "fixed", requires: ["reindex"], plan: () => ({ evict, survivors: "reuse" }) });
}

describe("what leaves", () => {
  test.each<[string, number[], number, number]>([
    ["is widened to the next turn", [2, 20, 40], 10, 20],
    ["ends where a turn begins already", [2, 10, 40], 10, 10],
    ["may be several turns", [2, 5, 8, 20], 10, 20],
    ["is cut back to the turn that is going on", [2, 5, 8], 10, 8],
    ["stays as it is without turns", [], 10, 10],
  ])("%s", (_, starts, end, expected) => {
    const plan = turnAligned(evicting({ start: 4, end })).plan(viewOf(48, starts.map(turn)));
    expect(plan).toEqual({ evict: [{ start: 4, end: expected }], survivors: "reuse" });
  });

  test("is the inner plan inside a turn that is larger than its room, and a note says so", () => {
    const inner = evicting({ start: 4, end: 10 });
    const note = "turn-aligned: the turn that is going on is larger than its room, and was cut";
    expect(turnAligned(inner).plan(viewOf(48, [turn(2)]))).toEqual({ ...inner.plan(viewOf(48, [])), note });
    const noted = definePolicy({
      name: "noted",
      plan: () => ({ evict: [{ start: 4, end: 10 }], survivors: "recompute", note: "mine" }),
    });
    expect(turnAligned(noted).plan(viewOf(48, [turn(2)]))?.note).toBe(`mine; ${note}`);
    expect(turnAligned(noted).plan(viewOf(48, [turn(12)]))?.note).toBe("mine");
  });

  test("is not cut back below what is required", () => {
    const policy = turnAligned(evicting({ start: 4, end: 10 }));
    expect(policy.plan(viewOf(48, [turn(8)], 4))?.evict).toEqual([{ start: 4, end: 8 }]);
    expect(policy.plan(viewOf(48, [turn(8)], 5))?.evict).toEqual([{ start: 4, end: 10 }]);
  });

  test("never takes in a pinned cell that the inner policy left alone", () => {
    const marks = [turn(20), { name: PINNED_MARK, start: 12, end: 14 }];
    expect(turnAligned(evicting({ start: 4, end: 10 })).plan(viewOf(48, marks))?.evict).toEqual([
      { start: 4, end: 12 },
      { start: 14, end: 20 },
    ]);
  });

  test("is widened behind its last cell; what the inner policy keeps in between stays", () => {
    const policy = turnAligned(evicting({ start: 4, end: 6 }, { start: 8, end: 13 }));
    expect(policy.plan(viewOf(48, [7, 20, 40].map(turn)))?.evict).toEqual([
      { start: 4, end: 6 },
      { start: 8, end: 20 },
    ]);
    expect(policy.plan(viewOf(48, [7, 10].map(turn)))?.evict).toEqual([
      { start: 4, end: 6 },
      { start: 8, end: 10 },
    ]);
    expect(policy.plan(viewOf(48, [7].map(turn)))?.evict).toEqual([{ start: 4, end: 6 }]);
  });

  test("goes by the marks that the option names", () => {
    const marks = [turn(11), { name: "sentence", start: 12, end: 14 }, turn(20)];
    expect(
      turnAligned(evicting({ start: 4, end: 10 }), { mark: "sentence" }).plan(viewOf(48, marks))?.evict,
    ).toEqual([{ start: 4, end: 12 }]);
  });

  test("is nothing when the inner policy lets nothing leave", () => {
    const inner = definePolicy({ name: "full", plan: () => null });
    expect(turnAligned(inner).plan(viewOf(8, [turn(4)]))).toBeNull();
  });
});

test("in a stream, what is behind the sinks is whole turns, unless one fills all that is there", async () => {
  const history = fc.record({
    budget: fc.integer({ min: 20, max: 100 }),
    sinks: fc.integer({ min: 0, max: 6 }),
    stride: fc.oneof(fc.constant(undefined), fc.constant("half" as const), fc.integer({ min: 1, max: 14 })),
    turns: fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 40 }),
  });
  await fc.assert(
    fc.asyncProperty(history, async ({ budget, sinks, stride, turns }) => {
      const policy = turnAligned(sinkWindow({ sinks, stride }));
      const stream = createStream({ backend: new FakeBackend({ capacity: budget }), policy, budget });
      const starts: number[] = [];
      for (const size of turns) {
        starts.push(stream.position);
        stream.mark(TURN_MARK, { start: stream.position, end: stream.position + 1 });
        await stream.append(new Uint32Array(size));
        const { positions } = stream.cells();
        starts.forEach((start, index) => {
          const end = starts[index + 1] ?? stream.position;
          const left = positions.filter((position) => start <= position && position < end).length;
          // The sinks keep their part of the first turns.
          if (start >= sinks && end - start < budget - sinks) expect([0, end - start]).toContain(left);
        });
      }
    }),
    { numRuns: 300 },
  );
});

describe("options", () => {
  test("are those of the inner policy", () => {
    const policy = turnAligned(sinkWindow({ sinks: 4, window: 60, stride: 8 }));
    expect(policy).toMatchObject({ name: "turn-aligned", budget: 64, requires: ["reindex"] });
    expect(policy.checkBudget?.(8)).toMatch(/stride of 8/);
    expect(turnAligned(recompute()).requires).toEqual([]);
  });

  test("are described with it", () => {
    const inner = sinkWindow();
    expect(turnAligned(inner).describe()).toEqual({
      name: "turn-aligned",
      shape: "opaque",
      options: { mark: "turn" },
      inner: inner.describe(),
    });
  });

  test.each([
    [() => turnAligned(sinkWindow as never), "policy"],
    [() => turnAligned(sinkWindow(), { mark: "" }), "mark"],
    [() => turnAligned(sinkWindow(), { mark: PINNED_MARK }), "mark"],
  ])("that cannot work are refused", (create, option) => {
    expect(create).toThrow(
      expect.objectContaining({
        code: "config",
        details: { option, value: expect.anything() as unknown },
      }) as Error,
    );
  });
});
