/** Logits to log-probabilities: x − max − ln Σ e^(x − max), [vocabularySize]. */
export function logSoftmax(logits: Float64Array): Float64Array {
  const largest = logits.reduce((first, second) => Math.max(first, second), -Infinity);
  const offset = largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
  return logits.map((logit) => logit - offset);
}
