import { formatCount, NOTHING } from "../../report/numbers.js";
import type { Interval } from "../../results/header.js";
import { FLAT } from "./judge-ratio.js";

/** A ratio with its interval, in words. */
export function describeRatio({
  value,
  interval,
}: {
  readonly value: number;
  readonly interval: Interval | null;
}): string {
  const bounds = interval ? describeInterval(interval, (bound) => bound.toFixed(3)) : "no interval";
  return `${value.toFixed(3)} [${bounds}]`;
}

/** The bounds of an interval, or nothing. */
export function describeInterval(interval: Interval | null, format: (value: number) => string): string {
  return interval ? `${format(interval.lower)} … ${format(interval.upper)}` : NOTHING;
}

/** The bounds within which a ratio of times is flat. */
export function describeBounds(): string {
  return `${FLAT.lower} … ${FLAT.upper}`;
}

/** Where a stretch of the soak begins and ends. */
export function describeRange({ start, end }: { readonly start: number; readonly end: number }): string {
  return `${formatCount(start)} to ${formatCount(end)}`;
}

/** So many sessions or passes. */
export function describeCount(count: number, what: "session" | "pass"): string {
  if (count === 1) return `one ${what}`;
  return `${formatCount(count)} ${what}${what === "pass" ? "es" : "s"}`;
}

/** A difference in nats, with its sign. */
export function formatDifference(value: number, digits = 5): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}
