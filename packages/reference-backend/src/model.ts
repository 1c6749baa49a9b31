import type { Activation } from "./activation.js";
import type { Linear } from "./linear.js";
import type { Normalisation } from "./normalisation.js";
import type { Rotary } from "./rotary.js";

/** A decoder-only transformer in memory: what {@link loadModel} makes of a GGUF file. Weights are F32 whatever the file stores. */
export interface ReferenceModel {
  /** GGUF's name of the architecture: `llama`, `gptneox`, `falcon`, `mpt` or `mimo2`. */
  readonly architecture: string;
  /** Metadata of the file, by key. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Number of token ids. */
  readonly vocabularySize: number;
  /** Length that the model was trained on, in tokens. */
  readonly contextLength: number;
  /** Most cells that every layer sees, in an architecture that has windows: no cache may be larger. */
  readonly slidingWindow: number | undefined;
  /** Sizes of attention, the same in every layer. */
  readonly shape: AttentionShape;
  /** Embedding of each token, [vocabularySize × width]. */
  readonly embeddings: Float32Array;
  /** Numbers in the residual stream, for a token. */
  readonly width: number;
  /** The layers, first to last. */
  readonly layers: readonly Layer[];
  /** Before the output. */
  readonly outputNormalisation: Normalisation;
  /** From the residual stream to a logit for each token id. */
  readonly output: Linear;
}

/** Sizes of attention. */
export interface AttentionShape {
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads: fewer than `heads` when several query heads share one (grouped-query attention), 1 for multi-query. */
  readonly keyValueHeads: number;
  /** Numbers in a query, a key and a value of one head. */
  readonly headSize: number;
}

/** How a position becomes part of attention. */
export type PositionEncoding =
  | { readonly kind: "rotary"; readonly rotary: Rotary }
  | {
      readonly kind: "alibi";
      /** Penalty for each cell of distance, [heads]. */ readonly slopes: Float64Array;
    };

/** One layer: attention, then a feed-forward network, both added to the residual stream. */
export interface Layer {
  /** Before attention. */
  readonly attentionNormalisation: Normalisation;
  /** Queries, keys and values of all heads, from the normalised residual stream. */
  readonly query: Linear;
  /** See `query`. */
  readonly key: Linear;
  /** See `query`. */
  readonly value: Linear;
  /** Queries, keys and values are cut off at ±clamp, when there is one. */
  readonly clamp: number | undefined;
  /** How positions enter. */
  readonly positions: PositionEncoding;
  /** What queries · keys are multiplied by, 1 / √headSize as a rule. */
  readonly scoreScale: number;
  /**
   * A logit for each head that joins the softmax without a value, [heads], when the model has them. A logit of 0 is
   * SoftMax-off-by-one (StreamingLLM, section 3.3): attention may then go nowhere, and needs no token as a sink.
   */
  readonly sinkLogits: Float32Array | undefined;
  /** From the heads' mixed values back to the residual stream. */
  readonly attentionOutput: Linear;
  /** What attention's output is multiplied by; 1 as a rule. */
  readonly attentionOutputScale: number;
  /**
   * `sequential`: x ← x + attention(norm(x)), then x ← x + feed-forward(norm(x)).
   * `parallel`: x ← x + attention(norm(x)) + feed-forward(norm'(x)), both from the same x.
   */
  readonly residual: "sequential" | "parallel";
  /** Before the feed-forward network. */
  readonly feedForwardNormalisation: Normalisation;
  /** The feed-forward network. */
  readonly feedForward: FeedForward;
}

/** Two linear maps and a function between them: down(activation(up(x))), or with a gate down(activation(gate(x)) · up(x)). */
export interface FeedForward {
  /** Into the wide middle. */
  readonly up: Linear;
  /** The gate, when there is one (Shazeer, arXiv 2002.05202). */
  readonly gate: Linear | undefined;
  /** The function in the middle. */
  readonly activation: Activation;
  /** Back to the residual stream. */
  readonly down: Linear;
}
