import { policySuite } from "@kvpolicy/conformance";
import { createStream, type KVCachePolicy } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { hashNumbers } from "../statistics/random.js";
import { randomRecent, type RandomRecentOptions } from "./random-recent.js";

for (const options of [
  { anchors: 4, seed: 1 },
  { anchors: 1, seed: 2, stride: 3 },
  { anchors: 6, seed: 3, stride: 8 },
]) {
  policySuite(
    { describe, test },
    {
      name: `randomRecent(${JSON.stringify(options)})`,
      create: () => randomRecent(options),
      promises: { newest: true, endless: true },
      budgets: { minimum: options.anchors + (options.stride ?? 1) + 1, maximum: 48 },
    },
  );
}

/** The stream positions in the cache after `count` tokens. */
async function keptOf(policy: KVCachePolicy, budget: number, count: number): Promise<number[]> {
  await using stream = createStream({ backend: new FakeBackend(), policy, budget });
  await stream.append(new Uint32Array(count));
  return [...stream.cells().positions];
}

describe("what stays", () => {
  test.each([
    [8, [0, 1, 2, 3, 4, 5, 6, 7]],
    [9, [0, 1, 3, 4, 5, 6, 7, 8]],
    [10, [0, 3, 4, 5, 6, 7, 8, 9]],
    [11, [3, 4, 5, 6, 7, 8, 9, 10]],
    [20, [4, 13, 14, 15, 16, 17, 18, 19]],
  ])("after %i tokens", async (count, kept) => {
    expect(await keptOf(randomRecent({ anchors: 2, seed: 1 }), 8, count)).toEqual(kept);
  });

  test("is a window, and those with the highest hash of what was in front of it", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 20 }),
        fc.nat(),
        fc.nat(150),
        async (anchors, stride, window, seed, tokens) => {
          const budget = anchors + stride + window;
          let kept: number[] = [];
          for (let position = 0; position < tokens; position += 1) {
            if (kept.length === budget) {
              const hash = (other: number): number => hashNumbers(seed, other, position - 1);
              const chosen = kept
                .slice(0, anchors + stride)
                .sort((one, other) => hash(other) - hash(one))
                .slice(0, anchors)
                .sort((one, other) => one - other);
              kept = [...chosen, ...kept.slice(anchors + stride)];
            }
            kept.push(position);
          }
          expect(await keptOf(randomRecent({ anchors, seed, stride }), budget, tokens)).toEqual(kept);
        },
      ),
    );
  });

  test("is drawn with the same chance from all that are in front of the window", async () => {
    const times = new Array<number>(7).fill(0);
    for (let seed = 0; seed < 2000; seed += 1) {
      const kept = await keptOf(randomRecent({ anchors: 4, seed, stride: 3 }), 12, 13);
      expect(kept.slice(4)).toEqual([7, 8, 9, 10, 11, 12]);
      for (const position of kept.slice(0, 4)) times[position]! += 1;
    }
    // Each of 7 stays with a chance of 4 / 7: 1143 times, with a standard deviation of 22.
    for (const count of times) expect(Math.abs(count - 2000 * (4 / 7))).toBeLessThan(110);
  });

  test("is drawn anew at each eviction: nothing stays for ever", async () => {
    let first = 0;
    for (let seed = 0; seed < 500; seed += 1) {
      // 8 draws of 4 from 5: the first token is in all of them with a chance of 0.8 ** 8, 84 times of 500.
      const kept = await keptOf(randomRecent({ anchors: 4, seed }), 10, 18);
      if (kept.includes(0)) first += 1;
      const later = await keptOf(randomRecent({ anchors: 4, seed }), 10, 200);
      expect(Math.min(...later)).toBeGreaterThan(100);
    }
    expect(Math.abs(first - 84)).toBeLessThan(42);
  });

  test("repeats with a seed and differs between seeds", async () => {
    const draw = (seed: number): Promise<number[]> => keptOf(randomRecent({ anchors: 6, seed }), 40, 400);
    expect(await draw(3)).toEqual(await draw(3));
    expect(await draw(3)).not.toEqual(await draw(4));
  });
});

describe("options", () => {
  test.each<[RandomRecentOptions, RegExp]>([
    [{ anchors: 0, seed: 1 }, /anchors must be a whole number of at least 1, not 0/],
    [{ anchors: 1.5, seed: 1 }, /anchors .* not 1.5/],
    [{ anchors: 4, seed: -1 }, /seed .* not -1/],
    [{ anchors: 4, seed: 0.5 }, /seed .* not 0.5/],
    [{ anchors: 4, seed: 1, stride: 0 }, /stride .* not 0/],
    [{ anchors: 4, seed: 1, stride: "half" as never }, /stride .* not half/],
  ])("%o are refused", (options, message) => {
    expect(() => randomRecent(options)).toThrow(
      expect.objectContaining({ code: "config", message: expect.stringMatching(message) as string }),
    );
  });

  test.each<[number, number, string | undefined]>([
    [4, 1, "4 random tokens leave no room for a window"],
    [5, 1, undefined],
    [8, 5, "the stride of 5 is larger than the window of 4 cells"],
    [8, 4, undefined],
  ])("with a budget of %i and a stride of %i: %s", (budget, stride, problem) => {
    expect(randomRecent({ anchors: 4, seed: 1, stride }).checkBudget?.(budget)).toBe(problem);
  });

  test("are described", () => {
    expect(randomRecent({ anchors: 4, seed: 7 }).describe()).toEqual({
      name: "random-recent",
      shape: "opaque",
      options: { anchors: 4, seed: 7, stride: 1 },
    });
    expect(randomRecent({ anchors: 4, seed: 7 }).requires).toEqual(["reindex"]);
  });
});
