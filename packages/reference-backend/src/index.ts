/**
 * A small decoder-only transformer in plain TypeScript that reads GGUF and shows its attention: the oracle for every other
 * backend.
 *
 * @module @kvpolicy/reference-backend
 */
export type { AttentionMap } from "./attention.js";
export type { GeluForm } from "./architectures.js";
export { CellCache, type LayerCells } from "./cell-cache.js";
export type { GgufSource } from "./byte-source.js";
export type { Activation } from "./activation.js";
export type { Linear } from "./linear.js";
export { loadModel, type LoadModelOptions } from "./load-model.js";
export { maskedForward, receptiveField, type Trace } from "./masked-forward.js";
export type { AttentionShape, FeedForward, Layer, PositionEncoding, ReferenceModel } from "./model.js";
export type { Normalisation } from "./normalisation.js";
export { openStream, type OpenStreamOptions } from "./open-stream.js";
export { ReferenceBackend, type ReferenceBackendOptions } from "./reference-backend.js";
export { Rotary, type RotaryOptions, type RotaryPairing } from "./rotary.js";
export type { ReferenceSampling } from "./sampling.js";
export { createTokenizer, type Tokenizer, type TokenizerOptions } from "./tokenizer.js";
