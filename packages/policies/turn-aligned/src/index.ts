/**
 * Evicts whole turns of a conversation: widens what another policy evicts to the next turn.
 *
 * @module @kvpolicy/turn-aligned
 */
export { turnAligned, type TurnAlignedOptions } from "./turn-aligned.js";
