export { surprise, type SurpriseOptions } from "./surprise.js";
