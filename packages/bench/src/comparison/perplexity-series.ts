/** One point of a perplexity curve. */
export interface SeriesPoint {
  /** Stream position of the last token that it is over. */
  readonly position: number;
  /** Perplexity of that token and the ones before it, as many as the window holds. */
  readonly perplexity: number;
}

/** Most points of one curve: more than a screen shows, few enough for a small file. */
const MOST_POINTS = 240;
const SHORTEST_WINDOW = 32;

/** Tokens that a point of the curve is over: enough to be calm, few enough to show where something breaks. */
export function seriesWindow(tokens: number): number {
  return Math.max(SHORTEST_WINDOW, Math.round(tokens / 50));
}

/**
 * Running perplexity over the stream position: of the last `window` tokens, at evenly spread positions. A stretch without
 * finite values is left out.
 *
 * @param nlls - Negative log-likelihoods in nats, from the first token of the text.
 * @param firstPosition - Stream position of that token.
 * @param window - Tokens that each point is over.
 */
export function perplexitySeries(nlls: Float64Array, firstPosition: number, window: number): SeriesPoint[] {
  const sums = new Float64Array(nlls.length + 1);
  nlls.forEach((nll, index) => {
    const known = index === 0 && Number.isNaN(nll) ? 0 : nll;
    sums[index + 1] = (sums[index] ?? 0) + known;
  });
  const skipped = Number.isNaN(nlls[0] ?? 0) ? 1 : 0;
  const step = Math.max(1, Math.ceil((nlls.length - window) / (MOST_POINTS - 1)));
  const points: SeriesPoint[] = [];
  for (let end = Math.min(nlls.length, window); end > skipped && end <= nlls.length; end += step) {
    const start = Math.max(skipped, end - window);
    const perplexity = Math.exp(((sums[end] ?? NaN) - (sums[start] ?? NaN)) / (end - start));
    if (Number.isFinite(perplexity)) points.push({ position: firstPosition + end - 1, perplexity });
  }
  return points;
}
