import { expect, test } from "vitest";

import { SamplingSeeds } from "./sampling-seeds.js";

const begin = { seed: 1, position: -1, repeats: 0 };

test("a seed follows from the stream's own and the position alone, whatever came before", () => {
  const first = new SamplingSeeds(begin);
  const second = new SamplingSeeds(begin);
  first.next(3);
  first.next(9);
  expect(first.next(20)).toBe(second.next(20));
  expect(new SamplingSeeds({ ...begin, seed: 2 }).next(20)).not.toBe(second.next(20));
});

test("beginning again at a position gives another seed, and so does the state that was saved in between", () => {
  const seeds = new SamplingSeeds(begin);
  const first = seeds.next(5);
  const saved = seeds.state;
  const second = seeds.next(5);
  expect(second).not.toBe(first);
  expect(new SamplingSeeds(saved).next(5)).toBe(second);
  expect(saved).toEqual({ seed: 1, position: 5, repeats: 0 });
});

test("seeds are whole numbers below the one that means any", () => {
  const seeds = new SamplingSeeds(begin);
  const drawn = Array.from({ length: 1000 }, (_, position) => seeds.next(position));
  expect(new Set(drawn).size).toBe(1000);
  for (const seed of drawn) {
    expect(Number.isInteger(seed)).toBe(true);
    expect(seed).toBeGreaterThanOrEqual(0);
    expect(seed).toBeLessThan(2 ** 32 - 1);
  }
});
