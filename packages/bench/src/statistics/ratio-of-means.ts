import type { Interval } from "../results/header.js";

/** A value, and where the true one lies with a confidence of 95 %; null where that cannot be said. */
export interface Estimate {
  /** The value. */
  readonly value: number;
  /** The bounds. */
  readonly interval: Interval | null;
}

/** A mean as {@link ratioOfMeans} takes it. */
export interface EstimatedMean {
  /** The mean, above 0. */
  readonly mean: number;
  /** Where the true one lies; null where that is not known. */
  readonly interval: Interval | null;
}

/**
 * The ratio of two positive means that were measured apart, each on values of its own, so that their errors are independent.
 *
 * The interval comes from those of the two means by the method of variance estimates recovery (Zou and Donner, Statistics in Medicine
 * 27, 2008) on logarithms: it keeps what is lopsided in them. It is null when one of them has none, or one that reaches down to 0.
 * Errors that the means share, as when the machine slows for both, make it wider than it had to be, never narrower.
 */
export function ratioOfMeans(one: EstimatedMean, other: EstimatedMean): Estimate {
  const value = one.mean / other.mean;
  const [mine, theirs] = [one.interval, other.interval];
  if (!mine || !theirs || mine.lower <= 0 || theirs.lower <= 0) return { value, interval: null };
  const below = Math.hypot(Math.log(one.mean / mine.lower), Math.log(theirs.upper / other.mean));
  const above = Math.hypot(Math.log(mine.upper / one.mean), Math.log(other.mean / theirs.lower));
  return { value, interval: { lower: value * Math.exp(-below), upper: value * Math.exp(above) } };
}
