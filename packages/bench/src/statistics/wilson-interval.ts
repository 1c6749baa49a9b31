import type { MeanInterval } from "./bootstrap.js";
import { NORMAL_QUANTILE } from "./student.js";

/**
 * Where the probability of a success lies with a confidence of 95 %, from independent trials: Wilson's score interval, which stays
 * between 0 and 1 and has a width even where all trials end alike. Without trials it is all from 0 to 1.
 *
 * @param successes - From 0 to `trials`.
 */
export function wilsonInterval(successes: number, trials: number): NonNullable<MeanInterval["interval"]> {
  return { lower: lowerBound(successes, trials), upper: 1 - lowerBound(trials - successes, trials) };
}

function lowerBound(successes: number, trials: number): number {
  const squared = NORMAL_QUANTILE ** 2;
  const variance = (successes * (trials - successes)) / Math.max(1, trials);
  const reach = NORMAL_QUANTILE * Math.sqrt(variance + squared / 4);
  return (successes + squared / 2 - reach) / (trials + squared);
}
