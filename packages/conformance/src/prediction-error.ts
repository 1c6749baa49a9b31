import { KVPolicyError } from "@kvpolicy/core";

/**
 * How far a prediction lies from the expected one: ‖actual − expected‖ / ‖expected‖, both minus their own mean, so that a
 * constant that softmax cancels does not count. Takes logits, log-probabilities or negated likelihoods of the same tokens.
 * Tokens that are impossible on both sides, the same infinity, are left out.
 *
 * @returns 0 for the same prediction; NaN when another value is not finite
 * @throws {KVPolicyError} `range` when the lengths differ.
 */
export function predictionError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  checkLength(actual, expected);
  const isCounted = (index: number): boolean =>
    actual[index] !== expected[index] || Number.isFinite(actual[index]);
  const counted = (values: ArrayLike<number>): Float64Array =>
    centre(Float64Array.from(values).filter((_, index) => isCounted(index)));
  const [measured, centred] = [counted(actual), counted(expected)];
  const difference = norm(measured.map((value, index) => value - (centred[index] ?? NaN)));
  return difference === 0 ? 0 : difference / norm(centred);
}

/**
 * Kullback–Leibler divergence KL(expected ‖ actual) in nats: what predicting with `actual` costs where `expected` is right.
 * Takes logits or log-probabilities of the same tokens; each side is normalised over them.
 *
 * @throws {KVPolicyError} `range` when the lengths differ.
 */
export function klDivergence(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  checkLength(actual, expected);
  const logProbabilities = normalise(actual);
  return normalise(expected).reduce((divergence, logProbability, index) => {
    if (logProbability === -Infinity) return divergence;
    return divergence + Math.exp(logProbability) * (logProbability - (logProbabilities[index] ?? NaN));
  }, 0);
}

/** Distance of two likelihoods; 0 for the same infinity. */
export function distance(actual: number, expected: number): number {
  return actual === expected ? 0 : Math.abs(actual - expected);
}

function centre(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.map((value) => value - mean);
}

function norm(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
}

/** Log-probabilities that add up to one. */
function normalise(values: ArrayLike<number>): Float64Array {
  const logits = Float64Array.from(values);
  const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const total = largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
  return logits.map((logit) => logit - total);
}

function checkLength(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  if (actual.length === expected.length) return;
  throw new KVPolicyError({
    code: "range",
    message: `The predictions are of ${actual.length} and ${expected.length} tokens, which cannot be compared.`,
    details: {
      what: "length of actual",
      value: actual.length,
      minimum: expected.length,
      maximum: expected.length,
    },
  });
}
