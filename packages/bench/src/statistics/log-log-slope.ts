import { KVPolicyError } from "@kvpolicy/core";

import type { Estimate } from "./ratio-of-means.js";

/** A point of a power law: a measured value at a known place. */
export interface PowerLawPoint extends Estimate {
  /** Where it was measured, above 0. */
  readonly x: number;
}

/** The exponent of a power law. */
export interface LogLogSlope extends Estimate {
  /** Points that it was fitted to. */
  readonly points: number;
  /** The most that a point lies off the fitted line, as a factor of at least 1. */
  readonly worstFactor: number;
}

/**
 * Slope of log value over log x by least squares: 1 where the value grows as x, 2 where it grows as its square, 0 where it stays.
 *
 * The slope is a weighted sum of the logarithms, so its interval follows from theirs, taken as independent, by the method of variance
 * estimates recovery (Zou, Huang and Zhang, Computational Statistics and Data Analysis 53, 2009). It is null when a point has none, or
 * one that reaches down to 0. It says how well the points are measured, not how well a power law describes them: that is what
 * `worstFactor` shows.
 *
 * @throws {KVPolicyError} `range` for an x or a value that is not above 0, `empty` for fewer than two different x.
 */
export function logLogSlope(points: readonly PowerLawPoint[]): LogLogSlope {
  for (const { x, value } of points) checkPositive(x, value);
  const places = points.map(({ x }) => Math.log(x));
  const values = points.map(({ value }) => Math.log(value));
  const [centre, level] = [meanOf(places), meanOf(values)];
  const spread = sumOf(places.map((place) => (place - centre) ** 2));
  if (points.length < 2 || spread === 0) {
    throw new KVPolicyError({
      code: "empty",
      message: "A slope takes points at two different places at least.",
      details: { what: "points" },
    });
  }
  const weights = places.map((place) => (place - centre) / spread);
  const slope = sumOf(weights.map((weight, index) => weight * (values[index] ?? NaN)));
  const residuals = values.map((value, index) => value - level - slope * ((places[index] ?? NaN) - centre));
  return {
    value: slope,
    interval: slopeInterval(points, weights, slope),
    points: points.length,
    worstFactor: Math.exp(Math.max(...residuals.map(Math.abs))),
  };
}

function slopeInterval(
  points: readonly PowerLawPoint[],
  weights: readonly number[],
  slope: number,
): Estimate["interval"] {
  let [below, above] = [0, 0];
  for (const [index, { value, interval }] of points.entries()) {
    if (!interval || interval.lower <= 0) return null;
    const weight = weights[index] ?? NaN;
    const down = weight * Math.log(value / interval.lower);
    const up = weight * Math.log(interval.upper / value);
    // Where a point weighs negatively, its upper bound pulls the slope down.
    below = Math.hypot(below, weight > 0 ? down : up);
    above = Math.hypot(above, weight > 0 ? up : down);
  }
  return { lower: slope - below, upper: slope + above };
}

function checkPositive(x: number, value: number): void {
  for (const [what, number] of Object.entries({ x, value })) {
    if (number > 0 && Number.isFinite(number)) continue;
    throw new KVPolicyError({
      code: "range",
      message: `A power law takes positive numbers, and the ${what} of a point is ${number}.`,
      details: { what, value: number, minimum: Number.MIN_VALUE, maximum: Number.MAX_VALUE },
    });
  }
}

function meanOf(values: readonly number[]): number {
  return sumOf(values) / values.length;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
