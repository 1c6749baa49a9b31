import type { SequenceEvaluateOptions } from "node-llama-cpp";

/**
 * node-llama-cpp's own sampling options, with its meaning and defaults (temperature 0: always the likeliest token).
 * Only `seed` differs: when it is left out, it follows from the stream's own seed and the stream position at which the `generate`
 * begins, instead of from the clock, so that a restored stream draws what the uninterrupted one would have. A `generate` that begins at
 * the position of the one before it gets another seed. Samplers of a backend alone draw theirs at random.
 */
export type LlamaSampling = Pick<
  SequenceEvaluateOptions,
  | "temperature"
  | "minP"
  | "topK"
  | "topP"
  | "seed"
  | "xtc"
  | "grammarEvaluationState"
  | "repeatPenalty"
  | "dryRepeatPenalty"
  | "tokenBias"
>;
