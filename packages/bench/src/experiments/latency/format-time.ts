import { formatDuration, formatNumber } from "../../report/numbers.js";

/** A duration in words, also one of less than a second: `0.35 s`, `3 min 5 s`. Nothing is left of a negative one. */
export function formatTime(milliseconds: number): string {
  return milliseconds < 9950
    ? `${formatNumber(Math.max(0, milliseconds) / 1000, 2)} s`
    : formatDuration(milliseconds);
}
