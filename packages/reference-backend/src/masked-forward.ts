import { checkToken, KVPolicyError } from "@kvpolicy/core";

import { logSoftmax } from "./log-softmax.js";
import type { Layer, ReferenceModel } from "./model.js";
import { computeLogits, embedTokens, runLayer, type AttentionInput } from "./transformer.js";

/** A history of decoded tokens, as a policy's evictions left it. */
export interface Trace {
  /** Row r is the r-th token ever decoded. A token that is decoded again, after a clear, is a row of its own. */
  readonly tokens: Uint32Array;
  /**
   * For each row the rows whose keys and values it attends to, in the order of the cache, itself last. A row's position there
   * is its rank, so the positions that row r works with are 0 … visible[r].length − 1.
   */
  readonly visible: readonly Uint32Array[];
}

/**
 * The second oracle: one forward pass over the whole history under a mask, without a cache. Row t attends, in every layer, to
 * exactly the rows that were cached when it was decoded, with positions counted by rank among them.
 *
 * Nothing is ever stored, moved or rotated in place: the score of a query and a key is computed from the distance of their
 * ranks. So it shares no code with the cache that it is there to check, only the parts of a transformer that mix no tokens.
 *
 * @returns The log-probability of every token id after each of `rows`, [rows][vocabularySize].
 * @throws {KVPolicyError} `range` when a token, a row or what a row sees is none of the trace, or lies ahead.
 */
export function maskedForward(model: ReferenceModel, trace: Trace, rows: readonly number[]): Float64Array[] {
  checkTrace(model, trace, rows);
  const stream = embedTokens(model, trace.tokens);
  model.layers.forEach((layer, index) => {
    runLayer(layer, index, stream, trace.tokens.length, (input) => attendMasked(model, input, trace.visible));
  });
  return rows.map((row) =>
    logSoftmax(computeLogits(model, stream.subarray(row * model.width, (row + 1) * model.width))),
  );
}

/**
 * The part of a history that the predictions after some rows can depend on, and where those rows are in it: what a row sees in
 * the last layer, what that saw in the layer before, and so on. For a window of B cells that is about layers · B rows however
 * long the stream.
 *
 * @throws {KVPolicyError} `range` as {@link maskedForward}.
 */
export function receptiveField(
  model: ReferenceModel,
  trace: Trace,
  rows: readonly number[],
): { readonly trace: Trace; readonly rows: readonly number[] } {
  checkTrace(model, trace, rows);
  const { tokens, visible } = trace;
  const needed = new Set(rows);
  let frontier = rows;
  for (let layers = model.layers.length; layers > 0; layers -= 1) {
    const added = new Set<number>();
    for (const row of frontier) for (const seen of visible[row]!) if (!needed.has(seen)) added.add(seen);
    added.forEach((row) => needed.add(row));
    frontier = [...added];
  }
  const kept = [...needed].sort((first, second) => first - second);
  const renumbered = new Map(kept.map((row, index) => [row, index]));
  const translate = (seen: Uint32Array): Uint32Array =>
    Uint32Array.from([...seen].flatMap((row) => renumbered.get(row) ?? []));
  return {
    trace: {
      tokens: Uint32Array.from(kept, (row) => tokens[row]!),
      // A row at the rim lost some of what it sees; nothing but its embedding is needed.
      visible: kept.map((row) => translate(visible[row]!)),
    },
    rows: rows.map((row) => renumbered.get(row)!),
  };
}

/** An oracle that answers for a trace that cannot be would be worse than none. */
function checkTrace(
  { vocabularySize, slidingWindow = Infinity }: ReferenceModel,
  { tokens, visible }: Trace,
  rows: readonly number[],
): void {
  for (const token of tokens) checkToken(token, vocabularySize);
  const check = (what: string, value: number | undefined, minimum: number, maximum: number): void => {
    if (Number.isSafeInteger(value) && value! >= minimum && value! <= maximum) return;
    throw outOfTrace(what, value ?? NaN, minimum, maximum);
  };
  check("number of visible lists", visible.length, tokens.length, tokens.length);
  visible.forEach((seen, row) => {
    let previous = -1;
    for (const other of seen) {
      check(`row that row ${row} sees`, other, previous + 1, row);
      previous = other;
    }
    check(`last row that row ${row} sees`, seen.at(-1), row, row);
  });
  for (const row of rows) check("asked row", row, 0, tokens.length - 1);
  const most = visible.reduce((cells, seen) => Math.max(cells, seen.length), 0);
  if (most > slidingWindow) throw outOfTrace("number of cells", most, 1, slidingWindow);
}

function outOfTrace(what: string, value: number, minimum: number, maximum: number): KVPolicyError {
  return new KVPolicyError({
    code: "range",
    message: `The trace cannot be: its ${what} is ${value}, not a whole number from ${minimum} to ${maximum}.`,
    details: { what, value, minimum, maximum },
  });
}

function attendMasked(
  { layers, shape: { heads, keyValueHeads, headSize } }: ReferenceModel,
  { layer: index, queries, keys, values }: AttentionInput,
  visible: readonly Uint32Array[],
): Float64Array {
  const layer = layers[index]!;
  const result = new Float64Array(queries.length);
  visible.forEach((seen, row) => {
    for (let head = 0; head < heads; head += 1) {
      const shared = Math.floor((head * keyValueHeads) / heads);
      const query = vectorOf(queries, row * heads + head, headSize);
      const scores = Float64Array.from(seen, (other, rank) => {
        const key = vectorOf(keys, other * keyValueHeads + shared, headSize);
        return relativeScore(layer, head, query, key, seen.length - 1 - rank);
      });
      const sinkLogit = layer.sinkLogits?.[head] ?? -Infinity;
      const largest = scores.reduce((first, second) => Math.max(first, second), sinkLogit);
      const weights = scores.map((score) => Math.exp(score - largest));
      const total = weights.reduce((sum, weight) => sum + weight, Math.exp(sinkLogit - largest));
      const mixed = vectorOf(result, row * heads + head, headSize);
      seen.forEach((other, rank) => {
        const value = vectorOf(values, other * keyValueHeads + shared, headSize);
        const probability = weights[rank]! / total;
        for (let dimension = 0; dimension < headSize; dimension += 1) {
          mixed[dimension] = mixed[dimension]! + probability * value[dimension]!;
        }
      });
    }
  });
  return result;
}

/**
 * The score of a query and a key that lies `distance` cells before it. A rotated pair of dimensions contributes
 * (q₁k₁ + q₂k₂)·cos φ + (q₁k₂ − q₂k₁)·sin φ with φ = distance · frequency, the others their plain product.
 */
function relativeScore(
  { positions, scoreScale }: Layer,
  head: number,
  query: Float64Array,
  key: Float64Array,
  distance: number,
): number {
  let score = 0;
  for (let dimension = 0; dimension < query.length; dimension += 1) {
    score += query[dimension]! * key[dimension]!;
  }
  if (positions.kind === "alibi") return scoreScale * score - positions.slopes[head]! * distance;
  const { pairs, frequencies } = positions.rotary;
  for (let pair = 0; pair < pairs.length; pair += 1) {
    const [first, second] = pairs[pair]!;
    const angle = distance * frequencies[pair]!;
    const plain = query[first]! * key[first]! + query[second]! * key[second]!;
    const crossed = query[first]! * key[second]! - query[second]! * key[first]!;
    score += plain * (Math.cos(angle) - 1) + crossed * Math.sin(angle);
  }
  return scoreScale * score;
}

function vectorOf(numbers: Float64Array, index: number, size: number): Float64Array {
  return numbers.subarray(index * size, (index + 1) * size);
}
