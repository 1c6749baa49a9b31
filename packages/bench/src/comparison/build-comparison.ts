import type { Measurement } from "../measure/read-text.js";
import type { Reading } from "../measure/reader.js";
import { movingBlockBootstrap } from "../statistics/bootstrap.js";
import { perplexity } from "../statistics/perplexity.js";
import { comparedStretch, compareReadings, nllsWithin, type Stretch } from "./compare-readings.js";
import type { Comparison, PolicyResults, TextSource } from "./comparison-schema.js";
import { perplexitySeries, seriesWindow } from "./perplexity-series.js";
import { compareCosts, summarizeTimings } from "./summarize-timings.js";

/** Policy that the others are compared with, when it takes part. */
const REFERENCE = "sink-window";

/** Budgets that "right after the fill" lasts. */
const BUDGETS_AFTER_FILL = 4;

/** What a measurement does not know of itself. */
export interface BuildComparisonOptions {
  /** The text. */
  readonly text: TextSource;
  /** Seed of the intervals. */
  readonly seed: number;
  /** Cells that every policy sees on average, where the budgets were chosen for that; else null. Defaults to null. */
  readonly meanCells?: number | null | undefined;
  /** Name of the contender that the others are compared with. Defaults to the first whose policy is `sink-window`, else the first one. */
  readonly reference?: string | undefined;
}

/** Turns a measurement into figures. */
export function buildComparison(measurement: Measurement, options: BuildComparisonOptions): Comparison {
  const { budget, readings, slice, total } = measurement;
  const { seed, text, meanCells = null } = options;
  const stretch = comparedStretch(readings, budget);
  const window = seriesWindow(total);
  const rows = readings.map((reading) => describeReading(reading, { stretch, window, budget, seed }));
  const index = indexOfReference(readings, options.reference);
  const [reference, referenceRow] = [readings[index], rows[index]];
  const policies = rows.map((row, own): PolicyResults => {
    const reading = readings[own];
    if (own === index || !reading || !reference || !referenceRow) return row;
    return {
      ...row,
      ratio: stretch ? compareReadings(reading, reference, stretch, seed) : null,
      costRatio: compareCosts(row, referenceRow),
    };
  });
  return {
    partial: measurement.partial,
    milliseconds: measurement.milliseconds,
    text: { ...text, tokens: total },
    settings: { budget, meanCells, seed, slice, seriesWindow: window },
    compared: stretch ?? null,
    residentBytes: measurement.residentBytes,
    policies,
  };
}

function indexOfReference(readings: readonly Reading[], name: string | undefined): number {
  const isReference = (reading: Reading): boolean =>
    name === undefined ? reading.policy.name === REFERENCE : reading.name === name;
  return Math.max(0, readings.findIndex(isReference));
}

interface RowOptions {
  readonly stretch: Stretch | undefined;
  readonly window: number;
  readonly budget: number;
  readonly seed: number;
}

/** A row without what takes a second policy. */
function describeReading(reading: Reading, { stretch, window, budget, seed }: RowOptions): PolicyResults {
  const { nlls, stats, status, milliseconds, error } = reading;
  const evictions = stats?.evictions ?? 0;
  const full = stretch ? nllsWithin(reading, stretch) : new Float64Array();
  const afterFill = stretch && {
    start: stretch.start,
    end: Math.min(stretch.end, stretch.start + BUDGETS_AFTER_FILL * budget),
  };
  return {
    name: reading.name,
    description: reading.policy.describe(reading.budget ?? undefined),
    status: status === "reading" ? "partial" : status,
    error: error && { ...error },
    warnings: [...reading.warnings, ...missingValues(nlls)],
    tokens: nlls.length,
    budget: reading.budget,
    perplexity: {
      full: perplexity(full),
      afterFill: perplexity(afterFill ? nllsWithin(reading, afterFill) : full),
      all: perplexity(nlls),
      interval: perplexityInterval(full, seed),
    },
    ratio: null,
    tokensPerSecond: nlls.length > 0 && milliseconds > 0 ? (nlls.length / milliseconds) * 1000 : null,
    stride: evictions > 0 ? (stats?.evictedTokens ?? 0) / evictions : null,
    millisecondsPerToken: summarizeTimings(reading.timings),
    costRatio: null,
    evictions,
    evictedTokens: stats?.evictedTokens ?? 0,
    recomputedTokens: stats?.recomputedTokens ?? 0,
    peakCells: stats?.peakCells ?? 0,
    meanCells: reading.meanCells,
    contextBytes: reading.contextBytes,
    series: perplexitySeries(nlls, reading.firstPosition, window),
  };
}

function perplexityInterval(nlls: Float64Array, seed: number): PolicyResults["perplexity"]["interval"] {
  if (nlls.length === 0 || !nlls.every(Number.isFinite)) return null;
  const { interval } = movingBlockBootstrap(nlls, { seed });
  return interval && { lower: Math.exp(interval.lower), upper: Math.exp(interval.upper) };
}

function missingValues(nlls: Float64Array): string[] {
  const missing = nlls.subarray(1).filter((nll) => !Number.isFinite(nll)).length;
  return missing === 0
    ? []
    : [`The engine gave no finite likelihood for ${missing} tokens: the perplexity is unknown.`];
}
