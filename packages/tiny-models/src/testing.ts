/**
 * Helpers for tests that need a model without rounding.
 *
 * @module
 */

export { toFloat32 } from "./float32.js";
export { GgufError } from "./gguf.js";
export type { GgufErrorCode } from "./gguf.js";
