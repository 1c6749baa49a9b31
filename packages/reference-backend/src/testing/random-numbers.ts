import { createRandom } from "../random.js";

/** How a tensor is filled. */
export interface Distribution {
  /** Mean; 0 unless given. */
  readonly mean?: number;
  /** Standard deviation. */
  readonly deviation: number;
}

/**
 * Random numbers with the shape of a bell, the same for the same seed and name on every machine.
 *
 * The sum of four uniform numbers (Irwin–Hall) stands for a normal one: it ends at 3.46 standard deviations, and needs
 * only additions and one square root, which IEEE 754 rounds in one way. The logarithm and cosine of a Box–Muller
 * transform may differ between engines in their last bit.
 *
 * @param seed - A whole number of 32 bits.
 * @param name - Names a sequence of its own: what else is drawn from the seed does not change it.
 */
export function randomNumbers(
  seed: number,
  name: string,
  count: number,
  { mean = 0, deviation }: Distribution,
): Float32Array {
  const next = createRandom(hash(seed, name));
  // A uniform number has a variance of 1/12, four of them 1/3.
  const scale = deviation * Math.sqrt(3);
  return Float32Array.from({ length: count }, () => mean + scale * (next() + next() + next() + next() - 2));
}

/** FNV-1a over the seed's four bytes and the name's characters, then the finaliser of MurmurHash3. */
function hash(seed: number, name: string): number {
  let state = 0x811c9dc5;
  const mix = (byte: number): void => {
    state = Math.imul(state ^ byte, 0x01000193);
  };
  for (let shift = 0; shift < 32; shift += 8) mix((seed >>> shift) & 0xff);
  for (let index = 0; index < name.length; index++) mix(name.charCodeAt(index));
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return state ^ (state >>> 16);
}
