export { anchors, type AnchorsOptions } from "./controls/anchors.js";
export { lineBreakHead, type LineBreakHeadOptions } from "./controls/line-break-head.js";
export { llamaCppShift, type LlamaCppShiftOptions } from "./controls/llama-cpp-shift.js";
export { randomAnchor, type RandomAnchorOptions } from "./controls/random-anchor.js";
export { randomRecent, type RandomRecentOptions } from "./controls/random-recent.js";
export type { Contender, MeasuredStream, TextHead } from "./measure/contender.js";
export {
  matchMeanCells,
  type MatchedBudget,
  type MatchMeanCellsOptions,
} from "./measure/match-mean-cells.js";
export {
  readText,
  type Measurement,
  type Progress,
  type ReadTextOptions,
  type ResidentBytes,
} from "./measure/read-text.js";
export type { Reading } from "./measure/reader.js";
export type { Timings } from "./measure/stride-timer.js";
export { formatCount, formatDuration, formatNumber } from "./render/numbers.js";
export { renderChart, type RenderChartOptions } from "./render/render-chart.js";
export { renderReport } from "./render/render-report.js";
export { renderTable, type RenderTableOptions } from "./render/render-table.js";
export { buildResults } from "./results/build-results.js";
export {
  parseResults,
  resultsSchema,
  type PolicyResults,
  type Results,
  type Surroundings,
} from "./results/schema.js";
export { automaticBlockLength } from "./statistics/block-length.js";
export { movingBlockBootstrap, type BootstrapOptions, type MeanInterval } from "./statistics/bootstrap.js";
export { perplexity, type Perplexity } from "./statistics/perplexity.js";
export { quantiles } from "./statistics/quantiles.js";
export { createRandom } from "./statistics/random.js";
