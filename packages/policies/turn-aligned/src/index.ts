export { turnAligned, type TurnAlignedOptions } from "./turn-aligned.js";
