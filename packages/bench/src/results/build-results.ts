import type { Measurement } from "../measure/read-text.js";
import type { Reading } from "../measure/reader.js";
import { perplexity } from "../statistics/perplexity.js";
import { comparedStretch, compareReadings, nllsWithin, type Stretch } from "./compare.js";
import type { PolicyResults, Results, Surroundings } from "./schema.js";
import { perplexitySeries, seriesWindow } from "./series.js";
import { compareCosts, summarizeTimings } from "./summarize-timings.js";

/** Policy that the others are compared with, when it takes part. */
const REFERENCE = "sink-window";

/**
 * Turns a measurement into figures: the content of `results.json`. Everything drawn or written later comes from these.
 *
 * The others are compared with the first contender whose policy is `sink-window`, else with the first one.
 */
export function buildResults(measurement: Measurement, surroundings: Surroundings): Results {
  const { budget, readings, slice, total } = measurement;
  const { seed } = surroundings.settings;
  const stretch = comparedStretch(readings, budget);
  const window = seriesWindow(total);
  const rows = readings.map((reading) => describeReading(reading, stretch, window));
  const index = Math.max(0, readings.findIndex(({ policy }) => policy.name === REFERENCE));
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
    schemaVersion: 1,
    partial: measurement.partial,
    command: surroundings.command,
    versions: surroundings.versions,
    machine: surroundings.machine,
    model: surroundings.model,
    text: { ...surroundings.text, tokens: total },
    settings: { budget, ...surroundings.settings, slice, seriesWindow: window },
    compared: stretch ?? null,
    milliseconds: measurement.milliseconds,
    residentBytes: measurement.residentBytes,
    policies,
  };
}

/** A row without what takes a second policy. */
function describeReading(reading: Reading, stretch: Stretch | undefined, window: number): PolicyResults {
  const { nlls, stats, status, milliseconds, error } = reading;
  const evictions = stats?.evictions ?? 0;
  return {
    name: reading.name,
    description: reading.policy.describe(reading.budget ?? undefined),
    status: status === "reading" ? "partial" : status,
    error: error && { ...error },
    warnings: [...reading.warnings, ...missingValues(nlls)],
    tokens: nlls.length,
    budget: reading.budget,
    perplexity: {
      full: stretch ? perplexity(nllsWithin(reading, stretch)) : { value: null, tokens: 0 },
      all: perplexity(nlls),
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

function missingValues(nlls: Float64Array): string[] {
  const missing = nlls.subarray(1).filter((nll) => !Number.isFinite(nll)).length;
  return missing === 0 ? [] : [`The engine gave no finite likelihood for ${missing} tokens: the perplexity is unknown.`];
}
