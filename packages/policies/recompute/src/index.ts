export { recompute, type RecomputeOptions } from "./recompute.js";
