/**
 * Truncate the middle: keep a share of the first tokens and the most recent ones.
 *
 * @module @kvpolicy/head-tail
 */
export { headTail, type HeadTailOptions } from "./head-tail.js";
