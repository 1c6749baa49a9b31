/**
 * SepLLM: keep a few initial tokens, the newest separators and a window of recent tokens.
 *
 * @module @kvpolicy/separator
 */
export { isSeparator } from "./is-separator.js";
export { separator, type SeparatorOptions } from "./separator.js";
