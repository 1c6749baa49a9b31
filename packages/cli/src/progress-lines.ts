import { formatCount, formatDuration, formatNumber, type Progress, type Reading } from "@kvpolicy/bench";

const BAR_WIDTH = 12;

/** What the lines of a running comparison say. */
export interface ProgressLines {
  /** How far the whole is, and how long it may still take. The policies take turns, so they end together. */
  readonly header: string;
  /** One line for each policy. */
  readonly policies: readonly string[];
}

/**
 * Describes a running comparison.
 *
 * The running perplexity counts from the stream position `budget` on.
 */
export function describeProgress({ readings, total }: Progress, budget: number): ProgressLines {
  const width = Math.max(...readings.map(({ name }) => name.length));
  const remaining = readings.reduce((sum, reading) => sum + remainingMilliseconds(reading, total), 0);
  const read = readings.reduce(
    (sum, { nlls, status }) => sum + (status === "failed" ? total : nlls.length),
    0,
  );
  const share = Math.floor((read / (total * readings.length)) * 100);
  return {
    header: `reading ${formatCount(total)} tokens under ${readings.length} policies: ${share} %, ${formatDuration(remaining)} left`,
    policies: readings.map((reading) => describeReading(reading, total, budget, width)),
  };
}

function describeReading(reading: Reading, total: number, budget: number, width: number): string {
  const { name, nlls, status, firstPosition, fullNll, milliseconds, error } = reading;
  const filled = Math.round((nlls.length / total) * BAR_WIDTH);
  const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
  const counted = firstPosition + nlls.length - budget;
  const perplexity = counted > 0 ? formatNumber(Math.exp(fullNll / counted)) : "cache not full";
  const speed = milliseconds > 0 ? `${formatNumber((nlls.length / milliseconds) * 1000)} tokens/s` : "";
  const remaining = remainingMilliseconds(reading, total);
  const left = remaining > 0 ? `${formatDuration(remaining)} left` : "";
  const state = status === "failed" ? ` stopped: ${error?.code ?? ""}` : "";
  return (
    [
      name.padEnd(width),
      bar,
      formatCount(nlls.length).padStart(formatCount(total).length),
      `perplexity ${perplexity}`.padEnd(25),
      speed,
      left,
    ]
      .join("  ")
      .trimEnd() + state
  );
}

function remainingMilliseconds({ nlls, milliseconds, status }: Reading, total: number): number {
  if (status !== "reading") return 0;
  return nlls.length === 0 ? NaN : (milliseconds / nlls.length) * (total - nlls.length);
}
