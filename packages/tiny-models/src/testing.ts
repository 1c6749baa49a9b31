/**
 * Helpers for tests: a model without rounding, and what an engine must find on each model.
 *
 * @module @kvpolicy/tiny-models/testing
 */

export { toFloat32 } from "./float32.js";
export { GgufError } from "./gguf.js";
export type { GgufErrorCode } from "./gguf.js";
export { windowOverSinks } from "./window-over-sinks.js";
