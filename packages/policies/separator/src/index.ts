export { isSeparator } from "./is-separator.js";
export { separator, type SeparatorOptions } from "./separator.js";
