/**
 * ALiBi (Press et al., arXiv 2108.12409): no position embedding, but a penalty on the score of a query and a key that grows
 * with the distance between them, slope · distance, with a slope of its own for each head.
 *
 * With n the largest power of two that is not above `heads`, head h has the slope 2^(−maxBias·(h + 1)/n) below n, and
 * 2^(−maxBias·(2(h − n) + 1)/(2n)) from n on, as in llama.cpp. A `maxBias` of 0 is no penalty.
 */
export function alibiSlopes(heads: number, maxBias: number): Float64Array {
  if (maxBias === 0) return new Float64Array(heads);
  const power = 2 ** Math.floor(Math.log2(heads));
  return Float64Array.from({ length: heads }, (_, head) =>
    head < power
      ? 2 ** ((-maxBias * (head + 1)) / power)
      : 2 ** ((-maxBias * (2 * (head - power) + 1)) / (2 * power)),
  );
}
