import { applyLinear, type Linear } from "./linear.js";
import type { FeedForward, Layer, ReferenceModel } from "./model.js";
import { normalise } from "./normalisation.js";

/** What one layer hands to attention for a block of tokens, before any position has entered. */
export interface AttentionInput {
  /** Index of the layer. */
  readonly layer: number;
  /** [tokens × heads × headSize]. */
  readonly queries: Float64Array;
  /** [tokens × keyValueHeads × headSize]. */
  readonly keys: Float64Array;
  /** [tokens × keyValueHeads × headSize]. */
  readonly values: Float64Array;
}

/** Attention over cells that the caller keeps: the mixed values of all heads, [tokens × heads × headSize]. */
export type Attend = (input: AttentionInput) => Float64Array;

/** The residual stream before the first layer, [tokens × width]: the embeddings of the tokens. */
export function embedTokens({ width, embeddings }: ReferenceModel, tokens: Uint32Array): Float64Array {
  const stream = new Float64Array(tokens.length * width);
  tokens.forEach((token, row) => {
    stream.set(embeddings.subarray(token * width, (token + 1) * width), row * width);
  });
  return stream;
}

/** Logits of the token after one row of the residual stream, [vocabularySize]. */
export function computeLogits(model: ReferenceModel, row: Float64Array): Float64Array {
  return applyLinear(model.output, normalise(model.outputNormalisation, row, 1), 1);
}

/**
 * Adds the two contributions of layer `index` to the residual stream, [rows × width]: everything of a layer that does not mix
 * tokens, with attention handed in.
 */
export function runLayer(
  layer: Layer,
  index: number,
  stream: Float64Array,
  rows: number,
  attend: Attend,
): void {
  const normalised = normalise(layer.attentionNormalisation, stream, rows);
  const mixed = attend({
    layer: index,
    queries: project(layer, layer.query, normalised, rows),
    keys: project(layer, layer.key, normalised, rows),
    values: project(layer, layer.value, normalised, rows),
  });
  const attention = applyLinear(layer.attentionOutput, mixed, rows);
  if (layer.residual === "sequential") add(stream, attention, layer.attentionOutputScale);
  const feedForward = runFeedForward(
    layer.feedForward,
    normalise(layer.feedForwardNormalisation, stream, rows),
    rows,
  );
  if (layer.residual === "parallel") add(stream, attention, layer.attentionOutputScale);
  add(stream, feedForward);
}

function project({ clamp }: Layer, linear: Linear, input: Float64Array, rows: number): Float64Array {
  const result = applyLinear(linear, input, rows);
  return clamp === undefined ? result : result.map((value) => Math.max(-clamp, Math.min(clamp, value)));
}

function runFeedForward(
  { up, gate, activation, down }: FeedForward,
  input: Float64Array,
  rows: number,
): Float64Array {
  const middle = applyLinear(up, input, rows);
  if (gate) {
    const gates = applyLinear(gate, input, rows);
    for (let index = 0; index < middle.length; index += 1) {
      middle[index] = activation(gates[index]!) * middle[index]!;
    }
  } else {
    for (let index = 0; index < middle.length; index += 1) middle[index] = activation(middle[index]!);
  }
  return applyLinear(down, middle, rows);
}

function add(stream: Float64Array, contribution: Float64Array, scale = 1): void {
  for (let index = 0; index < stream.length; index += 1) {
    stream[index] = stream[index]! + scale * contribution[index]!;
  }
}
