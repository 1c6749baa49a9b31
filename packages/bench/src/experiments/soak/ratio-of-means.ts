import type { MeanInterval } from "../../statistics/bootstrap.js";
import type { SoakResults } from "./results.js";

/** A ratio, and where the true one lies with a confidence of 95 %. */
export type Ratio = NonNullable<SoakResults["latency"]>["ratio"];

/** How far a ratio of times may lie from 1 and still count as flat. */
export const FLAT = { lower: 0.95, upper: 1.05 } as const;

/**
 * The ratio of two positive means that were measured apart, its interval from theirs (the method of variance estimates recovery, Zou
 * and Donner, Statistics in Medicine 27, 2008, on logarithms).
 */
export function ratioOfMeans(one: MeanInterval, other: MeanInterval): Ratio {
  const value = one.mean / other.mean;
  const [mine, theirs] = [one.interval, other.interval];
  // A lower bound that is not positive has no logarithm.
  if (!mine || !theirs || mine.lower <= 0 || theirs.lower <= 0) return { value, interval: null };
  const below = Math.hypot(Math.log(one.mean / mine.lower), Math.log(theirs.upper / other.mean));
  const above = Math.hypot(Math.log(mine.upper / one.mean), Math.log(other.mean / theirs.lower));
  return { value, interval: { lower: value * Math.exp(-below), upper: value * Math.exp(above) } };
}

/** What a ratio of times says: `flat` only when the whole interval lies within the bounds, `grew` or `fell` when none of it does. */
export function judgeRatio({ interval }: Ratio): "flat" | "not shown" | "grew" | "fell" {
  if (!interval) return "not shown";
  if (interval.lower > FLAT.upper) return "grew";
  if (interval.upper < FLAT.lower) return "fell";
  return interval.lower >= FLAT.lower && interval.upper <= FLAT.upper ? "flat" : "not shown";
}
