import { describe, expect, it } from "vitest";

import { studentInterval } from "./student-interval.js";

describe("studentInterval", () => {
  it("is the mean and t standard errors to each side", () => {
    // Mean 2, variance 1, standard error 1/√3; the 97.5 % quantile of t with two degrees of freedom is 4.30265.
    const { mean, interval } = studentInterval([1, 2, 3]);
    expect(mean).toBe(2);
    expect(interval?.lower).toBeCloseTo(2 - 4.30265 / Math.sqrt(3), 4);
    expect(interval?.upper).toBeCloseTo(2 + 4.30265 / Math.sqrt(3), 4);
  });

  it("takes the quantile of as many degrees of freedom as there are values but one", () => {
    // Mean 0, variance 2, standard error 1; 12.7062 with one degree of freedom.
    const { interval } = studentInterval([-1, 1]);
    expect(interval?.upper).toBeCloseTo(12.7062, 4);
  });

  it("has no width when all values are the same", () => {
    expect(studentInterval([5, 5, 5, 5])).toEqual({ mean: 5, interval: { lower: 5, upper: 5 } });
  });

  it("has no interval for one value, which does not show how much they differ", () => {
    expect(studentInterval([7])).toEqual({ mean: 7, interval: null });
  });
});
