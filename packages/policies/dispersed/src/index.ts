/**
 * Keep a few initial tokens, anchors spread over the whole stream and a window of recent tokens.
 *
 * @module @kvpolicy/dispersed
 */
export { dispersed, type DispersedOptions } from "./dispersed.js";
