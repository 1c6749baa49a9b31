import { describe, expect, it } from "vitest";

import { autoregression } from "../testing/autoregression.js";
import { movingBlockBootstrap, type BootstrapOptions } from "./bootstrap.js";

/** How many intervals for the mean of a series cover 0. */
function countCovering(
  draws: number,
  draw: (seed: number) => Float64Array,
  options?: Partial<BootstrapOptions>,
): number {
  const seeds = Array.from({ length: draws }, (_, seed) => seed);
  return seeds.filter((seed) => {
    const { interval } = movingBlockBootstrap(draw(1000 + seed), { seed, resamples: 400, ...options });
    return interval !== null && interval.lower <= 0 && interval.upper >= 0;
  }).length;
}

describe("coverage of movingBlockBootstrap", () => {
  // 95 % of 200 are 190, with a standard deviation of 3.
  it.each([
    [0.5, 16_384],
    [0.8, 8192],
  ])("is what it says where neighbours correlate by %d, in %i values", (memory, length) => {
    const covering = countCovering(200, (seed) => autoregression(length, memory, seed));
    expect(covering).toBeGreaterThanOrEqual(182);
    expect(covering).toBeLessThanOrEqual(198);
  });

  it("does not fall with the number of blocks, though few underestimate the spread", () => {
    const draws = 2000;
    const covering = countCovering(draws, (seed) => autoregression(5 * 128, 0, seed), { fewestBlocks: 5 });
    // 97.0 %; 95.4 % without √(k/(k−1)), 89.7 % without Student's t.
    expect(covering / draws).toBeGreaterThan(0.96);
    expect(covering / draws).toBeLessThan(0.98);
  });

  it("finds nothing between two runs of one kind in about 95 %", () => {
    const covering = countCovering(200, (seed) => {
      const others = autoregression(16_384, 0.5, 10_000 + seed);
      return autoregression(16_384, 0.5, seed).map((value, index) => value - others[index]!);
    });
    expect(covering).toBeGreaterThanOrEqual(182);
    expect(covering).toBeLessThanOrEqual(198);
  });

  it("finds nothing between a run and itself: the ratio is 1, exactly", () => {
    const run = autoregression(16_384, 0.5, 3);
    const differences = run.map((value, index) => value - run[index]!);
    const { mean, interval } = movingBlockBootstrap(differences, { seed: 1 });
    expect(Math.exp(mean)).toBe(1);
    expect(interval).toEqual({ lower: 0, upper: 0 });
  });

  it("finds what is there", () => {
    const differences = autoregression(16_384, 0.5, 3).map((value) => value + 0.1);
    const { interval } = movingBlockBootstrap(differences, { seed: 1 });
    expect(interval?.lower).toBeGreaterThan(0);
  });
});
