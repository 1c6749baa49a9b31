import { KVPolicyError } from "@kvpolicy/core";
import { describe, expect, it } from "vitest";

import { logLogSlope, type PowerLawPoint } from "./log-log-slope.js";
import { createRandom } from "./random.js";

const PLACES = [256, 512, 1024, 2048, 4096];

function powerLaw(exponent: number, factor = 1.1): PowerLawPoint[] {
  return PLACES.map((x) => {
    const value = 0.3 * x ** exponent;
    return { x, value, interval: { lower: value / factor, upper: value * factor } };
  });
}

describe("logLogSlope", () => {
  it.each([-1, 0, 0.87, 2])("finds the exponent %d of an exact power law", (exponent) => {
    const { value, interval, points, worstFactor } = logLogSlope(powerLaw(exponent, 1));
    expect(value).toBeCloseTo(exponent, 10);
    expect(interval!.lower).toBeCloseTo(exponent, 10);
    expect(interval!.upper).toBeCloseTo(exponent, 10);
    expect(points).toBe(5);
    expect(worstFactor).toBeCloseTo(1, 10);
  });

  it("carries the errors of the points over", () => {
    const { interval } = logLogSlope(powerLaw(1));
    // Places are log 2 apart: the sum of squares around the middle one is 10 log² 2.
    const half = Math.log(1.1) / (Math.SQRT1_2 * Math.sqrt(20) * Math.log(2));
    expect(interval!.upper - 1).toBeCloseTo(half, 10);
    expect(1 - interval!.lower).toBeCloseTo(half, 10);
  });

  it("turns lopsided errors round where a point pulls the slope down", () => {
    const exact = { lower: 1, upper: 1 };
    const uncertain = { value: 1, interval: { lower: 1, upper: 2 } };
    const left = logLogSlope([
      { x: 1, ...uncertain },
      { x: 2, value: 1, interval: exact },
    ]);
    expect(left.interval).toEqual({ lower: -1, upper: 0 });
    const right = logLogSlope([
      { x: 1, value: 1, interval: exact },
      { x: 2, ...uncertain },
    ]);
    expect(right.interval).toEqual({ lower: 0, upper: 1 });
  });

  it("says how far the points lie off the line", () => {
    const bent = [1, 2, 4].map((x) => ({ x, value: x === 2 ? 2 * 8 : x, interval: null }));
    const { value, worstFactor, interval } = logLogSlope(bent);
    expect(value).toBeCloseTo(1, 12);
    expect(worstFactor).toBeCloseTo(8 ** (2 / 3), 10);
    expect(interval).toBeNull();
  });

  it("covers the true exponent about as often as it says", () => {
    const random = createRandom(5);
    const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const deviation = 0.1;
    let covered = 0;
    for (let trial = 0; trial < 1000; trial += 1) {
      const points = PLACES.map((x) => {
        const value = x ** 0.9 * Math.exp(deviation * normal());
        const factor = Math.exp(1.96 * deviation);
        return { x, value, interval: { lower: value / factor, upper: value * factor } };
      });
      const { interval } = logLogSlope(points);
      if (interval!.lower <= 0.9 && interval!.upper >= 0.9) covered += 1;
    }
    // 950, with a standard deviation of 7.
    expect(covered).toBeGreaterThan(928);
    expect(covered).toBeLessThan(972);
  });

  it("refuses what has no slope", () => {
    const codeOf = (points: readonly PowerLawPoint[]): string | undefined => {
      try {
        logLogSlope(points);
      } catch (error) {
        return KVPolicyError.isInstance(error) ? error.code : undefined;
      }
      return undefined;
    };
    expect(codeOf([])).toBe("empty");
    expect(codeOf(powerLaw(1).slice(0, 1))).toBe("empty");
    expect(codeOf([2, 3].map((value) => ({ x: 4, value, interval: null })))).toBe("empty");
    expect(codeOf([...powerLaw(1), { x: 0, value: 1, interval: null }])).toBe("range");
    expect(codeOf([...powerLaw(1), { x: 1, value: -1, interval: null }])).toBe("range");
  });
});
