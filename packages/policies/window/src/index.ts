export { window, type WindowOptions } from "./window.js";
