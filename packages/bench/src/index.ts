/**
 * Measures KV-cache policies against each other: perplexity with intervals, time per token, memory; tables, charts and
 * reports.
 *
 * @module @kvpolicy/bench
 */
export { anchors, type AnchorsOptions } from "./controls/anchors.js";
export { lineBreakHead, type LineBreakHeadOptions } from "./controls/line-break-head.js";
export { llamaCppShift, type LlamaCppShiftOptions } from "./controls/llama-cpp-shift.js";
export { randomAnchor, type RandomAnchorOptions } from "./controls/random-anchor.js";
export { randomRecent, type RandomRecentOptions } from "./controls/random-recent.js";
export type { Contender, ReadStream, TextHead } from "./measure/contender.js";
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
export { formatCount, formatDuration, formatNumber } from "./report/numbers.js";
export { renderReport } from "./report/render-report.js";
export { renderTerminal, type RenderTerminalOptions } from "./report/render-terminal.js";
export type {
  Chart,
  ChartAxis,
  ChartRule,
  ChartSeries,
  Definition,
  ReportSection,
  TextTable,
} from "./report/report-section.js";
export type { Surroundings } from "./results/header.js";
export {
  addResults,
  parseResults,
  resultsFileSchema,
  type ExperimentResults,
  type ResultsFile,
} from "./results/results-file.js";
export { builtInQuestions } from "./experiments/chat-eval/built-in-questions.js";
export type {
  AskOptions,
  ChatContender,
  MeasuredAnswer,
  MeasuredChat,
} from "./experiments/chat-eval/chat-contender.js";
export { measureChatEval, type ChatEvalOptions } from "./experiments/chat-eval/measure-chat-eval.js";
export { readQuestions, type ChatQuestion } from "./experiments/chat-eval/read-questions.js";
export type { ChatEvalResults } from "./experiments/chat-eval/chat-eval-results.js";
export type { LatencyContender } from "./experiments/latency/latency-contender.js";
export { measureLatency, type MeasureLatencyOptions } from "./experiments/latency/measure-latency.js";
export type { LatencyResults } from "./experiments/latency/latency-results.js";
export { measureSoak } from "./experiments/soak/measure-soak.js";
export type { SoakOptions } from "./experiments/soak/prepare-soak.js";
export type { SoakResults } from "./experiments/soak/soak-results.js";
export type { SoakStorage, StoredStream } from "./experiments/soak/storage.js";
export {
  measureStreamEval,
  STREAM_EVAL_DEFAULTS,
  type StreamEvalOptions,
} from "./experiments/stream-eval/measure-stream-eval.js";
export type { StreamEvalResults } from "./experiments/stream-eval/stream-eval-results.js";
export {
  reproduce,
  type ReproduceOptions,
  type ReproductionPart,
} from "./experiments/reproduce/reproduce.js";
export type { ReproduceResults } from "./experiments/reproduce/reproduce-results.js";
export { clusterInterval, type Cluster, type ClusterInterval } from "./statistics/cluster-interval.js";
export { wilsonInterval } from "./statistics/wilson-interval.js";
export { measureBudgets, type MeasureBudgetsOptions } from "./experiments/budgets/measure-budgets.js";
export type { BudgetsResults } from "./experiments/budgets/budgets-results.js";
export {
  measurePerplexity,
  type MeasurePerplexityOptions,
} from "./experiments/perplexity/measure-perplexity.js";
export type { PerplexityResults } from "./experiments/perplexity/perplexity-results.js";
export {
  measureSinks,
  probeSinks,
  type MeasureSinksOptions,
  type ProbeSinksOptions,
} from "./experiments/sinks/measure-sinks.js";
export type { ProbeResults, SinkNeed, SinksResults } from "./experiments/sinks/sinks-results.js";
export type { PolicyChoice, ReadableText } from "./experiments/policy-choice.js";
export { compareInWords, NON_INFERIORITY_MARGIN } from "./statistics/compare-in-words.js";
export { buildStreamResults, type StreamResults } from "./experiments/stream/stream-results.js";
export { describeExperiment } from "./experiments/describe-experiment.js";
export type { ExperimentOptions, ExperimentProgress } from "./experiments/experiment.js";
export type { BuildComparisonOptions } from "./comparison/build-comparison.js";
export type { Comparison, PolicyResults, TextSource } from "./comparison/comparison-schema.js";
export type {
  MeasuredModel,
  MeasuredSampling,
  MeasuredStream,
  OpenMeasuredOptions,
} from "./measure/measured-model.js";
export { automaticBlockLength } from "./statistics/block-length.js";
export { movingBlockBootstrap, type BootstrapOptions, type MeanInterval } from "./statistics/bootstrap.js";
export { perplexity, type Perplexity } from "./statistics/perplexity.js";
export { quantiles } from "./statistics/quantiles.js";
export { createRandom } from "./statistics/random.js";
