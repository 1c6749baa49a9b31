import type { Estimate } from "../../statistics/ratio-of-means.js";

/** How far a ratio of times may lie from 1 and still count as flat. */
export const FLAT = { lower: 0.95, upper: 1.05 } as const;

/** What a ratio of times says: `flat` only when the whole interval lies within the bounds, `grew` or `fell` when none of it does. */
export function judgeRatio({ interval }: Estimate): "flat" | "not shown" | "grew" | "fell" {
  if (!interval) return "not shown";
  if (interval.lower > FLAT.upper) return "grew";
  if (interval.upper < FLAT.lower) return "fell";
  return interval.lower >= FLAT.lower && interval.upper <= FLAT.upper ? "flat" : "not shown";
}
