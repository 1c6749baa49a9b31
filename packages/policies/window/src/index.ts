/**
 * Keep the most recent tokens and nothing else. The window-attention baseline of the StreamingLLM paper.
 *
 * @module @kvpolicy/window
 */
export { window, type WindowOptions } from "./window.js";
