import { createRandom } from "../statistics/random.js";

/** Numbers drawn from the standard normal distribution (Box and Muller), from a seed. */
export function createNormal(seed: number): () => number {
  const random = createRandom(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/**
 * A series with a known answer: x_t = memory · x_{t−1} + noise, the noise standard normal and the first value drawn as all others
 * are distributed. Its true mean is 0.
 *
 * @param length - Number of values.
 * @param memory - Correlation of neighbours, above −1 and below 1; 0 for independent values.
 * @param seed - Seed of the drawing.
 */
export function autoregression(length: number, memory: number, seed: number): Float64Array {
  const normal = createNormal(seed);
  let value = normal() / Math.sqrt(1 - memory ** 2);
  return Float64Array.from({ length }, () => (value = memory * value + normal()));
}
