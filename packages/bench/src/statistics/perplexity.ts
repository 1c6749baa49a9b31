/** A perplexity and the tokens that it is over. */
export interface Perplexity {
  /** exp(mean negative log-likelihood); null when there is no token, or one of them has no finite value. */
  readonly value: number | null;
  /** Tokens that it is over. */
  readonly tokens: number;
}

/**
 * Perplexity of a run of tokens.
 *
 * The one value that may be missing is the very first token of a stream, which nothing predicts: a leading NaN at index 0 is
 * left out. A missing value anywhere else makes the figure null instead of silently better.
 *
 * @param nlls - Negative log-likelihoods in nats, from the first token of the text.
 * @param start - First index, included.
 * @param end - Last index, excluded.
 */
export function perplexity(nlls: Float64Array, start = 0, end = nlls.length): Perplexity {
  const first = start === 0 && Number.isNaN(nlls[0] ?? 0) ? 1 : Math.max(0, start);
  const scored = nlls.subarray(first, Math.max(first, end));
  if (scored.length === 0) return { value: null, tokens: 0 };
  const value = Math.exp(mean(scored));
  return { value: Number.isFinite(value) ? value : null, tokens: scored.length };
}

/** Arithmetic mean; NaN of nothing. */
export function mean(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
