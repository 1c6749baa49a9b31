import { comparedStretch, nllsWithin, type Stretch } from "../../comparison/compare-readings.js";
import type { Measurement } from "../../measure/read-text.js";
import type { Reading } from "../../measure/reader.js";
import { movingBlockBootstrap } from "../../statistics/bootstrap.js";
import type { SinkDifference, SinkNeed } from "./sinks-results.js";

/** What is lost without sinks, in nats a token: below the first it is none, below the second mild, else collapse. */
export const NEED_THRESHOLDS = { mild: 0.02, collapse: 1 };
/** Sinks that the paper recommends. */
export const USUAL_SINKS = 4;
/** So many sinks are enough when more of them gain no more than this, in nats a token. */
export const ENOUGH_NATS = 0.01;

/** The number of sinks that the others are compared with: that of the paper where it was tried, else the most. */
export function referenceSinks(counts: readonly number[]): number {
  return counts.includes(USUAL_SINKS) ? USUAL_SINKS : Math.max(...counts);
}

/**
 * Whether a model needs its first tokens. `readingOf` finds the reading with so many sinks, of those in `counts`, which is sorted.
 */
export function judgeSinks(
  measurement: Measurement,
  counts: readonly number[],
  readingOf: (sinks: number) => Reading | undefined,
  seed: number,
): SinkNeed {
  const stretch = comparedStretch(measurement.readings, measurement.budget);
  const compare = (sinks: number, others: number): SinkDifference | null => {
    const [one, other] = [readingOf(sinks), readingOf(others)];
    if (!stretch || !one || !other) return null;
    return subtract(sinks, one, other, stretch, seed);
  };
  const most = counts.at(-1) ?? 0;
  const withoutSinks = compare(0, referenceSinks(counts));
  const againstMost = counts.flatMap((sinks) => {
    const difference = sinks === most ? null : compare(sinks, most);
    return difference ? [difference] : [];
  });
  return {
    need: needOf(withoutSinks?.interval ?? null),
    withoutSinks,
    againstMost,
    most,
    enough: againstMost.find(({ interval }) => interval !== null && interval.upper <= ENOUGH_NATS) ?? null,
  };
}

/** What is lost without sinks, in words: only where the whole interval says the same. */
export function needOf(interval: SinkDifference["interval"]): SinkNeed["need"] {
  if (!interval) return "unknown";
  if (interval.upper < NEED_THRESHOLDS.mild) return "none";
  if (interval.lower >= NEED_THRESHOLDS.collapse) return "collapse";
  const isMild = interval.lower >= NEED_THRESHOLDS.mild && interval.upper < NEED_THRESHOLDS.collapse;
  return isMild ? "mild" : "unknown";
}

function subtract(
  sinks: number,
  reading: Reading,
  other: Reading,
  stretch: Stretch,
  seed: number,
): SinkDifference | null {
  const end = Math.min(
    stretch.end,
    ...[reading, other].map(({ firstPosition, nlls }) => firstPosition + nlls.length),
  );
  const others = nllsWithin(other, { ...stretch, end });
  const differences = nllsWithin(reading, { ...stretch, end }).map(
    (nll, index) => nll - (others[index] ?? NaN),
  );
  if (differences.length === 0 || !differences.every(Number.isFinite)) return null;
  const { mean, interval, blocks } = movingBlockBootstrap(differences, { seed });
  return { sinks, nats: mean, interval, blocks };
}
