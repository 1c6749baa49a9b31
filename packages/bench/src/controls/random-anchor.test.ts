import { policySuite } from "@kvpolicy/conformance";
import { createStream, type KVCachePolicy } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { anchors } from "./anchors.js";
import { randomAnchor, type RandomAnchorOptions } from "./random-anchor.js";

for (const options of [
  { anchors: 4, budget: 24, seed: 1 },
  { anchors: 1, budget: 10, seed: 7, stride: 3 },
  { anchors: 6, budget: 12, seed: 2, from: 0, stride: 4 },
]) {
  policySuite(
    { describe, test },
    {
      name: `randomAnchor(${JSON.stringify(options)})`,
      create: () => randomAnchor(options),
      promises: { newest: true, endless: true },
    },
  );
}

function drawnBy(options: RandomAnchorOptions): number[] {
  const { positions } = randomAnchor(options).describe().options;
  return String(positions).split(" ").map(Number);
}

/** The stream positions in the cache after `count` tokens. */
async function keptOf(policy: KVCachePolicy, budget: number, count: number): Promise<number[]> {
  await using stream = createStream({ backend: new FakeBackend(), policy, budget });
  await stream.append(new Uint32Array(count));
  return [...stream.cells().positions];
}

describe("what stays", () => {
  test.each([
    [12, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]],
    [13, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]],
    [30, [8, 10, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]],
  ])("after %i tokens", async (count, kept) => {
    expect(await keptOf(randomAnchor({ anchors: 2, budget: 12, seed: 1 }), 12, count)).toEqual(kept);
  });

  test("is the anchors and what a list loses from its front", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 10 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 22, max: 40 }),
        fc.nat(),
        fc.nat(150),
        async (count, from, stride, budget, seed, tokens) => {
          const options = { anchors: count, from, stride, budget, seed };
          const drawn = drawnBy(options);
          const kept: number[] = [];
          for (let position = 0; position < tokens; position += 1) {
            if (kept.length === budget) {
              const leaving = kept.filter((other) => !drawn.includes(other)).slice(0, stride);
              kept.splice(0, budget, ...kept.filter((other) => !leaving.includes(other)));
            }
            kept.push(position);
          }
          expect(await keptOf(randomAnchor(options), budget, tokens)).toEqual(kept);
        },
      ),
    );
  });
});

describe("the draw", () => {
  test("is of different positions between from and budget − 1", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.nat(20),
        fc.integer({ min: 1, max: 30 }),
        fc.nat(),
        (count, from, more, seed) => {
          const budget = from + count + more;
          const drawn = drawnBy({ anchors: count, budget, seed, from });
          expect(new Set(drawn).size).toBe(count);
          expect(Math.min(...drawn)).toBeGreaterThanOrEqual(from);
          expect(Math.max(...drawn)).toBeLessThan(budget);
          expect(drawn).toEqual([...drawn].sort((one, other) => one - other));
        },
      ),
    );
  });

  test("takes every position of the first fill as often as any other, and none before", () => {
    const times = new Map<number, number>();
    for (let seed = 0; seed < 4000; seed += 1) {
      for (const position of drawnBy({ anchors: 4, budget: 28, seed })) {
        times.set(position, (times.get(position) ?? 0) + 1);
      }
    }
    expect([...times.keys()].sort((one, other) => one - other)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 8),
    );
    // A position is drawn with a chance of 4 / 20: 800 times, with a standard deviation of 25.
    for (const count of times.values()) expect(Math.abs(count - 800)).toBeLessThan(125);
  });

  test("repeats with a seed and differs between seeds", () => {
    const options = { anchors: 4, budget: 1024 };
    expect(drawnBy({ ...options, seed: 3 })).toEqual(drawnBy({ ...options, seed: 3 }));
    expect(drawnBy({ ...options, seed: 3 })).not.toEqual(drawnBy({ ...options, seed: 4 }));
  });

  test("can be all that there are", async () => {
    const policy = randomAnchor({ anchors: 4, budget: 12, seed: 5 });
    expect(policy.describe().options).toMatchObject({ positions: "8 9 10 11" });
    expect(await keptOf(policy, 12, 40)).toEqual(
      await keptOf(anchors({ positions: [8, 9, 10, 11] }), 12, 40),
    );
  });
});

describe("options", () => {
  const fine = { anchors: 4, budget: 16, seed: 1 };
  test.each<[Partial<RandomAnchorOptions>, RegExp]>([
    [{ anchors: 0 }, /anchors must be a whole number of at least 1, not 0/],
    [{ anchors: 1.5 }, /anchors .* not 1.5/],
    [{ budget: 16.5 }, /random-anchor: budget must be a whole number of at least 1, not 16.5/],
    [{ budget: NaN }, /random-anchor: budget .* not NaN/],
    [{ seed: -1 }, /seed .* not -1/],
    [{ seed: 0.5 }, /seed .* not 0.5/],
    [{ from: -1 }, /from .* not -1/],
    [{ stride: 0 }, /stride .* not 0/],
    [{ stride: "half" as never }, /stride .* not half/],
    [{ budget: 11 }, /there are no 4 stream positions from 8 to 10/],
    [{ from: 13 }, /there are no 4 stream positions from 13 to 15/],
    [{ stride: 13 }, /4 anchors and a stride of 13 leave no room among 16 cells/],
  ])("%o are refused", (options, message) => {
    expect(() => randomAnchor({ ...fine, ...options })).toThrow(
      expect.objectContaining({ code: "config", message: expect.stringMatching(message) as string }),
    );
  });

  test("fix the budget", () => {
    expect(randomAnchor(fine).budget).toBe(16);
    expect(randomAnchor({ ...fine, from: 12 }).budget).toBe(16);
    expect(randomAnchor(fine).requires).toEqual(["reindex"]);
  });

  test("are described, with what was drawn", () => {
    expect(randomAnchor({ anchors: 2, budget: 12, seed: 1, stride: 2 }).describe()).toEqual({
      name: "random-anchor",
      shape: "opaque",
      options: { anchors: 2, budget: 12, seed: 1, from: 8, stride: 2, positions: "8 10" },
    });
  });
});
