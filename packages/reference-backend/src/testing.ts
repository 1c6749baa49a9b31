/**
 * Helpers for tests: a writer of GGUF files, and random models that llama.cpp loads.
 *
 * @module @kvpolicy/reference-backend/testing
 */

export type { TensorType } from "./testing/encode-tensor.js";
export {
  booleanArray,
  float32,
  float32Array,
  type GgufArray,
  type GgufNumber,
  type GgufNumberKind,
  type GgufValue,
  int32,
  int32Array,
  stringArray,
  uint32,
  uint32Array,
  uint64,
} from "./testing/gguf-values.js";
export { type GgufContents, type GgufTensor, writeGguf } from "./testing/gguf-writer.js";
export type { Architecture, RandomModelOptions } from "./testing/model-plan.js";
export { randomModel } from "./testing/random-model.js";
export { type Distribution, randomNumbers } from "./testing/random-numbers.js";
export type { TokenizerKind } from "./testing/vocabulary.js";
