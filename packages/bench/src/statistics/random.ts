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

/**
 * A 32-bit hash of whole numbers, for randomness without state: the same numbers give the same hash on every machine. It is
 * MurmurHash3 (Austin Appleby, x86, 32 bits) with each number as one word. Not for cryptography.
 *
 * @param seed - Any number; as of the others, only its 32 low bits count.
 */
export function hashNumbers(seed: number, ...numbers: readonly number[]): number {
  let hash = seed | 0;
  for (const number of numbers) {
    let word = Math.imul(number, 0xcc9e2d51);
    word = (word << 15) | (word >>> 17);
    hash ^= Math.imul(word, 0x1b873593);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  hash ^= 4 * numbers.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
