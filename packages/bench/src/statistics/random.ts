/**
 * A seeded source of uniform numbers in [0, 1): the same seed gives the same numbers on every machine. The generator is sfc32
 * (Chris Doty-Humphrey's small fast counter), its state filled from the seed. Not for cryptography.
 *
 * @param seed - Any number; only its 32 low bits count.
 */
export function createRandom(seed: number): () => number {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let round = 0; round < 15; round += 1) next();
  return next;
}
