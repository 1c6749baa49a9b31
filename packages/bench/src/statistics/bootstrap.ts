import { KVPolicyError } from "@kvpolicy/core";

import { automaticBlockLength } from "./block-length.js";
import { mean } from "./perplexity.js";
import { quantiles } from "./quantiles.js";
import { createRandom } from "./random.js";
import { NORMAL_QUANTILE, studentQuantile } from "./student.js";

/** Options of {@link movingBlockBootstrap}. */
export interface BootstrapOptions {
  /** Seed of the drawing. */
  readonly seed: number;
  /** Samples drawn. Defaults to 2000. */
  readonly resamples?: number | undefined;
  /** Shortest block that is allowed, in values. Defaults to 128. */
  readonly shortestBlock?: number | undefined;
  /** Fewest blocks that an interval may rest on. Defaults to 64. */
  readonly fewestBlocks?: number | undefined;
}

/** A mean, and where the true one lies with a confidence of 95 %. */
export interface MeanInterval {
  /** Mean of the series. */
  readonly mean: number;
  /** The bounds; null when the series is too short for an interval that deserves the name. */
  readonly interval: { readonly lower: number; readonly upper: number } | null;
  /** Length of the blocks, in values. */
  readonly blockLength: number;
  /** Blocks that fit side by side in the series. */
  readonly blocks: number;
}

const CONFIDENCE = 0.95;

/**
 * Interval for the mean of an autocorrelated series, by drawing overlapping blocks of it with replacement (Künsch 1989).
 *
 * Values that lie near each other in a text are alike, so drawing them one by one would promise too much. Blocks are as long as
 * the automatic choice says, and never shorter than `shortestBlock`. Few blocks underestimate the spread: the interval is
 * widened by √(k/(k−1)) and by what Student's t with k−1 degrees of freedom has over the normal distribution.
 *
 * It covers what may vary *within* a text. It says nothing of other texts.
 *
 * @throws {KVPolicyError} `empty` for an empty series, `range` for one with values that are not finite.
 */
export function movingBlockBootstrap(
  values: Float64Array,
  { seed, resamples = 2000, shortestBlock = 128, fewestBlocks = 64 }: BootstrapOptions,
): MeanInterval {
  checkValues(values);
  const blockLength = Math.max(shortestBlock, automaticBlockLength(values));
  const blocks = Math.floor(values.length / blockLength);
  const estimate = mean(values);
  if (blocks < Math.max(2, fewestBlocks)) return { mean: estimate, interval: null, blockLength, blocks };

  const blockMeans = movingMeans(values, blockLength);
  // Values near the ends lie in fewer blocks, so what the drawing scatters around is this and not quite the estimate.
  const centre = mean(blockMeans);
  const random = createRandom(seed);
  const deviations = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let block = 0; block < blocks; block += 1) {
      sum += blockMeans[Math.floor(random() * blockMeans.length)] ?? 0;
    }
    return sum / blocks - centre;
  });
  const inflation = Math.sqrt(blocks / (blocks - 1)) * (studentQuantile(blocks - 1) / NORMAL_QUANTILE);
  const tail = (1 - CONFIDENCE) / 2;
  const [below = 0, above = 0] = quantiles(deviations, [tail, 1 - tail]);
  return {
    mean: estimate,
    interval: { lower: estimate + inflation * below, upper: estimate + inflation * above },
    blockLength,
    blocks,
  };
}

function checkValues(values: Float64Array): void {
  if (values.length === 0) {
    throw new KVPolicyError({
      code: "empty",
      message: "There is no mean of an empty series.",
      details: { what: "series" },
    });
  }
  const index = values.findIndex((value) => !Number.isFinite(value));
  if (index < 0) return;
  throw new KVPolicyError({
    code: "range",
    message: `The series has no finite value at index ${index}.`,
    details: {
      what: `value at index ${index}`,
      value: values[index] ?? NaN,
      minimum: -Infinity,
      maximum: Infinity,
    },
  });
}

/** Means of all blocks of a length, one starting at each value that has enough after it. */
function movingMeans(values: Float64Array, length: number): Float64Array {
  let sum = 0;
  for (const value of values.subarray(0, length)) sum += value;
  const means = new Float64Array(values.length - length + 1);
  for (let start = 0; start < means.length; start += 1) {
    means[start] = sum / length;
    sum += (values[start + length] ?? 0) - (values[start] ?? 0);
  }
  return means;
}
