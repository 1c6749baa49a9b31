/**
 * Keep every token; the cache fills up and the stream says so. The dense-attention baseline of the StreamingLLM paper.
 *
 * @module @kvpolicy/dense
 */
export { dense } from "./dense.js";
