export { dense } from "./dense.js";
