import type { Reading } from "../measure/reader.js";
import { movingBlockBootstrap } from "../statistics/bootstrap.js";
import type { PolicyResults } from "./comparison-schema.js";

/** Stream positions over which policies are compared: `start` included, `end` excluded. */
export interface Stretch {
  /** First position: the common budget, where every cache is full. */
  readonly start: number;
  /** One past the last position that every contender still at work has read. */
  readonly end: number;
}

/**
 * The tokens that "once the cache is full" means: the same for every policy, from the common budget to where the slowest one
 * that did not fail has come. Undefined when there are none.
 */
export function comparedStretch(readings: readonly Reading[], budget: number): Stretch | undefined {
  const working = readings.filter(({ status }) => status !== "failed");
  const counted = working.length > 0 ? working : readings;
  const end = Math.min(...counted.map(readPosition));
  return end > budget ? { start: budget, end } : undefined;
}

/** The part of a reading that lies in the stretch. */
export function nllsWithin({ nlls, firstPosition }: Reading, { start, end }: Stretch): Float64Array {
  return nlls.subarray(Math.max(0, start - firstPosition), Math.max(0, end - firstPosition));
}

/**
 * Perplexity of one policy over that of another on the same tokens, with an interval from their paired differences. Null when
 * they share none, or when a value of either is missing.
 */
export function compareReadings(
  reading: Reading,
  reference: Reading,
  stretch: Stretch,
  seed: number,
): PolicyResults["ratio"] {
  const end = Math.min(stretch.end, readPosition(reading), readPosition(reference));
  const [nlls, others] = [reading, reference].map((one) => nllsWithin(one, { ...stretch, end }));
  if (!nlls || !others || nlls.length === 0) return null;
  const differences = nlls.map((nll, index) => nll - (others[index] ?? NaN));
  if (!differences.every(Number.isFinite)) return null;
  const { mean, interval, blockLength, blocks } = movingBlockBootstrap(differences, { seed });
  return {
    reference: reference.name,
    value: Math.exp(mean),
    tokens: differences.length,
    interval: interval && { lower: Math.exp(interval.lower), upper: Math.exp(interval.upper) },
    blockLength,
    blocks,
  };
}

function readPosition({ firstPosition, nlls }: Reading): number {
  return firstPosition + nlls.length;
}
