import { describe, expect, it } from "vitest";

import { movingBlockBootstrap } from "./bootstrap.js";
import { createRandom } from "./random.js";
import { ratioOfMeans, type EstimatedMean } from "./ratio-of-means.js";

/** Times with the long tail of a shared machine: gamma distributed, shape 4, of the mean given. */
function times(count: number, mean: number, random: () => number): EstimatedMean {
  const draw = (): number =>
    (-Math.log((1 - random()) * (1 - random()) * (1 - random()) * (1 - random())) / 4) * mean;
  return movingBlockBootstrap(Float64Array.from({ length: count }, draw), {
    seed: 1,
    resamples: 300,
    shortestBlock: 1,
    fewestBlocks: 3,
  });
}

describe("ratioOfMeans", () => {
  it("adds relative errors in quadrature", () => {
    const { value, interval } = ratioOfMeans(
      { mean: 100, interval: { lower: 100 / 1.3, upper: 100 * 1.3 } },
      { mean: 20, interval: { lower: 20 / 1.4, upper: 20 * 1.4 } },
    );
    const factor = Math.exp(Math.hypot(Math.log(1.3), Math.log(1.4)));
    expect(value).toBe(5);
    expect(interval!.lower).toBeCloseTo(5 / factor, 10);
    expect(interval!.upper).toBeCloseTo(5 * factor, 10);
  });

  it("keeps lopsided intervals so, and turns that of the denominator round", () => {
    const sure = { lower: 8, upper: 8 };
    expect(
      ratioOfMeans({ mean: 16, interval: { lower: 16, upper: 32 } }, { mean: 8, interval: sure }).interval,
    ).toEqual({
      lower: 2,
      upper: 4,
    });
    const below = ratioOfMeans({ mean: 8, interval: sure }, { mean: 16, interval: { lower: 16, upper: 32 } });
    expect(below.interval!.lower).toBeCloseTo(0.25, 12);
    expect(below.interval!.upper).toBeCloseTo(0.5, 12);
  });

  it("has no interval where a mean has none, or one that reaches down to 0", () => {
    const known = { mean: 2, interval: { lower: 1, upper: 3 } };
    expect(ratioOfMeans({ mean: 4, interval: null }, known)).toEqual({ value: 2, interval: null });
    expect(ratioOfMeans(known, { mean: 4, interval: null })).toEqual({ value: 0.5, interval: null });
    expect(ratioOfMeans({ mean: 4, interval: { lower: 0, upper: 9 } }, known).interval).toBeNull();
    expect(ratioOfMeans(known, { mean: 4, interval: { lower: -1, upper: 9 } }).interval).toBeNull();
  });

  it.each([
    [8, 8],
    [8, 60],
    [40, 40],
  ])("covers the true ratio about as often as it says: %i and %i values", (one, other) => {
    const random = createRandom(17);
    const trials = 400;
    let covered = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      const { interval } = ratioOfMeans(times(one, 30, random), times(other, 10, random));
      if (interval && interval.lower <= 3 && interval.upper >= 3) covered += 1;
    }
    // 95 % of 400 are 380, with a standard deviation of 4.4; a bootstrap of 8 values falls a little short.
    expect(covered / trials).toBeGreaterThan(0.91);
    expect(covered / trials).toBeLessThan(0.985);
  });
});
