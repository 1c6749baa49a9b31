/**
 * Marked ranges, a system prompt say, are never evicted; another policy decides about the rest.
 *
 * @module @kvpolicy/pinned
 */
export { pinned } from "./pinned.js";
