import { describe, expect, it } from "vitest";

import { createRandom } from "../../statistics/random.js";
import { meanOfTurns, ratioOfTurns } from "./turn-statistics.js";

function series(length: number, seed: number): number[] {
  const random = createRandom(seed);
  return Array.from({ length }, () => 1 + random());
}

describe("meanOfTurns", () => {
  it("has an interval for as few as sixteen turns that do not hang together, and none for fifteen", () => {
    const values = [1, 2, 1, 2, 2, 1, 1, 2, 2, 1, 1, 1, 2, 2, 2, 1];
    const estimate = meanOfTurns(values, 1);
    expect(estimate?.value).toBe(1.5);
    expect(estimate?.interval?.lower).toBeLessThan(1.5);
    expect(estimate?.interval?.upper).toBeGreaterThan(1.5);
    expect(meanOfTurns(values.slice(1), 1)).toMatchObject({ interval: null });
    expect(meanOfTurns([], 1)).toBeNull();
  });
});

describe("ratioOfTurns", () => {
  const pair = (numerators: readonly number[], denominators: readonly number[]) =>
    numerators.map((numerator, index) => ({ numerator, denominator: denominators[index]! }));

  it("is the ratio of the means and not the mean of the ratios", () => {
    expect(ratioOfTurns(pair([9, 1], [1, 1]), 1)?.value).toBe(5);
    expect(ratioOfTurns(pair([6, 6], [1, 3]), 1)?.value).toBe(3);
  });

  it("finds nothing between a series and itself, whatever the turns have in common", () => {
    const times = series(40, 3);
    expect(ratioOfTurns(pair(times, times), 1)).toEqual({ value: 1, interval: { lower: 1, upper: 1 } });
    const threefold = ratioOfTurns(
      pair(
        times.map((time) => 3 * time),
        times,
      ),
      1,
    );
    expect(threefold?.value).toBeCloseTo(3, 12);
    expect(threefold?.interval?.upper).toBeCloseTo(3, 12);
  });

  it("covers the true ratio about as often as it says", () => {
    const trials = 300;
    let [claims, covered] = [0, 0];
    for (let trial = 0; trial < trials; trial += 1) {
      const pairs = pair(
        series(30, 2 * trial).map((time) => 4 * time),
        series(30, 2 * trial + 1),
      );
      const interval = ratioOfTurns(pairs, trial)?.interval;
      // Where the turns seem to hang together there are too few blocks, and no claim.
      if (!interval) continue;
      claims += 1;
      if (interval.lower <= 4 && interval.upper >= 4) covered += 1;
    }
    expect(claims).toBeGreaterThan(240);
    // The standard deviation is 1.3 %.
    expect(covered / claims).toBeGreaterThan(0.92);
    expect(covered / claims).toBeLessThan(0.99);
  });

  it("has nothing to say of nothing, or of what took no time", () => {
    expect(ratioOfTurns([], 1)).toBeNull();
    expect(ratioOfTurns(pair([0, 0], [1, 1]), 1)).toBeNull();
    expect(ratioOfTurns(pair([1, 1], [0, 0]), 1)).toBeNull();
  });
});
