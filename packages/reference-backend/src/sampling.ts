import { checkCount, KVPolicyError } from "@kvpolicy/core";

import { createRandom } from "./random.js";

/** How {@link ReferenceBackend} draws tokens. */
export interface ReferenceSampling {
  /** What logits are divided by; 0 always takes the likeliest token. Defaults to 0. */
  readonly temperature?: number | undefined;
  /** Draws from this many likeliest tokens only. Defaults to all. */
  readonly topK?: number | undefined;
  /** Draws from the likeliest tokens that together have this probability, after temperature and `topK` (Holtzman et al., arXiv 1904.09751). Defaults to 1: all. */
  readonly topP?: number | undefined;
  /** Two samplers with the same seed and logits draw the same tokens. Drawn anew when left out. */
  readonly seed?: number | undefined;
}

/**
 * A function that draws a token id from log-probabilities, [vocabularySize].
 *
 * @throws {KVPolicyError} `config` for an option outside what it may be.
 */
export function createDraw({
  temperature = 0,
  topK,
  topP = 1,
  seed = Math.floor(Math.random() * 2 ** 32),
}: ReferenceSampling): (logProbabilities: Float64Array) => number {
  if (!(temperature >= 0 && temperature < Infinity)) throw refuse("temperature", temperature, "at least 0");
  if (!(topP > 0 && topP <= 1)) throw refuse("topP", topP, "above 0 and at most 1");
  if (topK !== undefined) checkCount("generate", "topK", topK, 1);
  if (!Number.isSafeInteger(seed)) throw refuse("seed", seed, "a whole number");
  const random = createRandom(seed);
  return (logProbabilities) => {
    if (temperature === 0) return likeliest(logProbabilities);
    const kept = likeliestFirst(logProbabilities).slice(0, topK);
    const largest = logProbabilities[kept[0]!]!;
    const weights = kept.map((token) => Math.exp((logProbabilities[token]! - largest) / temperature));
    const nucleus = weights.slice(0, countNucleus(weights, topP));
    let rest = random() * sumOf(nucleus);
    const index = nucleus.findIndex((weight) => (rest -= weight) < 0);
    return kept[index < 0 ? nucleus.length - 1 : index]!;
  };
}

/** Number of the first weights that make up `share` of all. */
function countNucleus(weights: readonly number[], share: number): number {
  let rest = share * sumOf(weights);
  const last = weights.findIndex((weight) => (rest -= weight) <= 0);
  return last < 0 ? weights.length : last + 1;
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, value) => sum + value, 0);
}

/** The likeliest token id, the lowest among equals. */
function likeliest(logProbabilities: Float64Array): number {
  return logProbabilities.reduce((best, value, token) => (value > logProbabilities[best]! ? token : best), 0);
}

/** Token ids by falling log-probability, the lower id first among equals. */
function likeliestFirst(logProbabilities: Float64Array): number[] {
  return Array.from(logProbabilities.keys()).sort(
    (first, second) => logProbabilities[second]! - logProbabilities[first]! || first - second,
  );
}

function refuse(option: string, value: number, wanted: string): KVPolicyError {
  return new KVPolicyError({
    code: "config",
    message: `generate: ${option} must be ${wanted}, not ${value}.`,
    details: { option, value },
  });
}
