import type { CellCache } from "./cell-cache.js";
import type { AttentionShape, Layer } from "./model.js";
import type { AttentionInput } from "./transformer.js";

/** Attention probabilities of one layer for a block of tokens. */
export interface AttentionMap {
  /** Index of the layer. */
  readonly layer: number;
  /** Cache index of the block's first token. */
  readonly firstCell: number;
  /**
   * Probabilities, [heads][tokens][cells] with cells = firstCell + tokens: how much of its attention a token gives to a cell.
   * Cells behind the token have 0. A row sums to 1, or to less in a model with sink logits.
   */
  readonly probabilities: readonly (readonly Float64Array[])[];
}

/**
 * Scaled dot-product attention (Vaswani et al., arXiv 1706.03762) of a block of tokens over the cache and, causally, over
 * itself. The block is written to the cache first. Every key gets the position of its cell at this moment, every query that
 * of its own.
 *
 * @returns The mixed values of all heads, [tokens × heads × headSize], and the probabilities when they are asked for.
 */
export function attendCells(
  layer: Layer,
  shape: AttentionShape,
  { layer: index, queries, keys, values }: AttentionInput,
  cache: CellCache,
  observe?: (map: AttentionMap) => void,
): Float64Array {
  const { heads, keyValueHeads, headSize } = shape;
  const { width, length: firstCell } = cache;
  cache.write(index, keys, values);
  const tokens = keys.length / width;
  const cells = firstCell + tokens;
  const stored = cache.layers[index]!;
  const positioned = positionKeys(layer, stored.keys.slice(0, cells * width), headSize, cache);

  const mixed = new Float64Array(queries.length);
  const probabilities = observe && Array.from({ length: heads }, (): Float64Array[] => []);
  const scores = new Float64Array(cells);
  for (let token = 0; token < tokens; token += 1) {
    const query = queries.subarray(token * heads * headSize, (token + 1) * heads * headSize);
    const own = firstCell + token;
    if (layer.positions.kind === "rotary")
      layer.positions.rotary.rotate(query, headSize, cache.position(own));
    for (let head = 0; head < heads; head += 1) {
      const offset = Math.floor((head * keyValueHeads) / heads) * headSize;
      for (let cell = 0; cell <= own; cell += 1) {
        const score =
          layer.scoreScale * dot(query, head * headSize, positioned, cell * width + offset, headSize);
        scores[cell] = score - distancePenalty(layer, head, cache.position(own) - cache.position(cell));
      }
      const visible = scores.subarray(0, own + 1);
      softmax(visible, layer.sinkLogits?.[head]);
      for (let cell = 0; cell <= own; cell += 1) {
        const probability = visible[cell]!;
        const value = cell * width + offset;
        const result = (token * heads + head) * headSize;
        for (let index = 0; index < headSize; index += 1) {
          mixed[result + index] = mixed[result + index]! + probability * stored.values[value + index]!;
        }
      }
      if (probabilities) {
        const row = new Float64Array(cells);
        row.set(visible);
        probabilities[head]!.push(row);
      }
    }
  }
  if (observe && probabilities) observe({ layer: index, firstCell, probabilities });
  return mixed;
}

/** Softmax in place: e^score / Σ e^score. A sink logit joins the sum and takes its share without a value. */
export function softmax(scores: Float64Array, sinkLogit?: number): void {
  let largest = sinkLogit ?? -Infinity;
  for (const score of scores) largest = Math.max(largest, score);
  let sum = sinkLogit === undefined ? 0 : Math.exp(sinkLogit - largest);
  for (let index = 0; index < scores.length; index += 1) {
    const weight = Math.exp(scores[index]! - largest);
    scores[index] = weight;
    sum += weight;
  }
  for (let index = 0; index < scores.length; index += 1) scores[index] = scores[index]! / sum;
}

/** Gives every key the position of its cell, in place. */
function positionKeys(layer: Layer, keys: Float64Array, headSize: number, cache: CellCache): Float64Array {
  if (layer.positions.kind !== "rotary") return keys;
  for (let cell = 0; cell * cache.width < keys.length; cell += 1) {
    const key = keys.subarray(cell * cache.width, (cell + 1) * cache.width);
    layer.positions.rotary.rotate(key, headSize, cache.position(cell));
  }
  return keys;
}

/** What ALiBi takes off a score; nothing where positions are rotary. */
function distancePenalty({ positions }: Layer, head: number, distance: number): number {
  return positions.kind === "alibi" ? positions.slopes[head]! * distance : 0;
}

function dot(a: Float64Array, aStart: number, b: Float64Array, bStart: number, size: number): number {
  let sum = 0;
  for (let index = 0; index < size; index += 1) sum += a[aStart + index]! * b[bStart + index]!;
  return sum;
}
