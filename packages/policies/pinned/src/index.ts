export { pinned } from "./pinned.js";
