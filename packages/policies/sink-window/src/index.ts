export { sinkWindow, type SinkWindowOptions } from "./sink-window.js";
