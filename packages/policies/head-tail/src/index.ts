export { headTail, type HeadTailOptions } from "./head-tail.js";
