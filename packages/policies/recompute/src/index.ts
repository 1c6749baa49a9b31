/**
 * Keep the most recent tokens and evaluate them again after each eviction. The sliding-window-with-recomputation baseline of
 * the StreamingLLM paper.
 *
 * @module @kvpolicy/recompute
 */
export { recompute, type RecomputeOptions } from "./recompute.js";
