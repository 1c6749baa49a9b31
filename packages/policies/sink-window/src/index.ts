/**
 * StreamingLLM: keep a few initial tokens (attention sinks) and a window of recent ones.
 *
 * @module @kvpolicy/sink-window
 */
export { sinkWindow, type SinkWindowOptions } from "./sink-window.js";
