import type { ReferenceModel } from "./model.js";

const known = new WeakMap<ReferenceModel, number>();

/**
 * A number of 32 bits that tells models of the same shape apart: a hash of the embeddings and of what makes the keys and values
 * of every layer. Computed once for a model.
 */
export function fingerprintOf(model: ReferenceModel): number {
  const found = known.get(model);
  if (found !== undefined) return found;
  let hash = hashNumbers(0, model.embeddings);
  for (const { key, value } of model.layers)
    hash = hashNumbers(hashNumbers(hash, key.weights), value.weights);
  known.set(model, hash >>> 0);
  return hash >>> 0;
}

/** Goes on with a hash over the bits of numbers (MurmurHash3, 32 bits, without its finalizer), as a signed number. */
function hashNumbers(start: number, { buffer, byteOffset, length }: Float32Array): number {
  let hash = start;
  for (const bits of new Int32Array(buffer, byteOffset, length)) {
    const mixed = Math.imul(bits, 0xcc9e2d51);
    hash ^= Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  return hash;
}
