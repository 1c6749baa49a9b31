export { dispersed, type DispersedOptions } from "./dispersed.js";
