/**
 * Keep a few initial tokens, those that were hardest to predict and a window of recent ones.
 *
 * @module @kvpolicy/surprise
 */
export { surprise, type SurpriseOptions } from "./surprise.js";
