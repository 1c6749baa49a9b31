import type { SequenceEvaluateOptions } from "node-llama-cpp";

/**
 * node-llama-cpp's own sampling options, with its meaning and defaults (temperature 0: always the likeliest token).
 * Only `seed` differs: it is drawn anew for each `generate` when left out, instead of taken from the clock.
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
