import { quantile } from "simple-statistics";

/**
 * Quantiles of a sample, in the order asked for.
 *
 * @param values - The sample, in any order; it is left as it is.
 * @param probabilities - Numbers between 0 and 1.
 * @returns NaN for each when the sample is empty.
 */
export function quantiles(values: ArrayLike<number>, probabilities: readonly number[]): number[] {
  if (values.length === 0) return probabilities.map(() => NaN);
  return quantile(Array.from(values), [...probabilities]);
}
