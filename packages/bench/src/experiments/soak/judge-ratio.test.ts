import { describe, expect, it } from "vitest";

import { movingBlockBootstrap } from "../../statistics/bootstrap.js";
import { createRandom } from "../../statistics/random.js";
import { ratioOfMeans } from "../../statistics/ratio-of-means.js";
import { judgeRatio } from "./judge-ratio.js";

const meanOf = (mean: number, lower: number, upper: number) => ({
  mean,
  interval: { lower, upper },
  blockLength: 1,
  blocks: 100,
});

describe("ratioOfMeans", () => {
  it("takes its interval from both", () => {
    const exact = ratioOfMeans(meanOf(6, 5, 8), meanOf(2, 2, 2));
    expect(exact.value).toBe(3);
    expect(exact.interval!.lower).toBeCloseTo(2.5, 12);
    expect(exact.interval!.upper).toBeCloseTo(4, 12);
    const inverse = ratioOfMeans(meanOf(2, 2, 2), meanOf(6, 5, 8));
    expect(inverse.interval!.lower).toBeCloseTo(1 / 4, 12);
    expect(inverse.interval!.upper).toBeCloseTo(1 / 2.5, 12);
    const both = ratioOfMeans(meanOf(6, 5, 8), meanOf(6, 5, 8));
    expect(both.interval!.lower).toBeCloseTo(Math.exp(-Math.hypot(Math.log(6 / 5), Math.log(8 / 6))), 12);
  });

  it("covers the true ratio about as often as it says", () => {
    let covered = 0;
    for (let trial = 0; trial < 200; trial += 1) {
      const random = createRandom(1000 + trial);
      // Exponential, of means 3 and 2.
      const draw = (mean: number): ReturnType<typeof movingBlockBootstrap> =>
        movingBlockBootstrap(
          Float64Array.from({ length: 100 }, () => -mean * Math.log(1 - random())),
          { seed: trial, resamples: 400, shortestBlock: 1, fewestBlocks: 8 },
        );
      const { interval } = ratioOfMeans(draw(3), draw(2));
      if (interval && interval.lower <= 1.5 && interval.upper >= 1.5) covered += 1;
    }
    expect(covered).toBeGreaterThanOrEqual(180);
    expect(covered).toBeLessThanOrEqual(199);
  });

  it("has none where one of them has none, or reaches zero", () => {
    expect(ratioOfMeans({ ...meanOf(6, 5, 8), interval: null }, meanOf(2, 1, 3))).toEqual({
      value: 3,
      interval: null,
    });
    expect(ratioOfMeans(meanOf(6, 5, 8), { ...meanOf(2, 1, 3), interval: null }).interval).toBeNull();
    expect(ratioOfMeans(meanOf(6, 5, 8), meanOf(2, 0, 3)).interval).toBeNull();
  });
});

describe("judgeRatio", () => {
  it.each([
    ["flat", 0.95, 1.05],
    ["not shown", 0.949, 1.05],
    ["not shown", 0.95, 1.051],
    ["not shown", 1.05, 1.2],
    ["not shown", 0.5, 0.95],
    ["grew", 1.051, 1.2],
    ["fell", 0.5, 0.949],
  ] as const)("says %s of %f to %f", (verdict, lower, upper) => {
    expect(judgeRatio({ value: 1, interval: { lower, upper } })).toBe(verdict);
  });

  it("shows nothing without an interval", () => {
    expect(judgeRatio({ value: 1, interval: null })).toBe("not shown");
  });
});
