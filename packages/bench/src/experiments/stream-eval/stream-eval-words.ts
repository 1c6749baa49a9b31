import { formatInterval, formatNumber, NOTHING } from "../../report/numbers.js";
import type { StreamEvalGroup } from "./stream-eval-results.js";

/** A margin with its interval: `1.20 [1.05 … 1.35]`. */
export function describeMargin(margin: StreamEvalGroup["margin"]): string {
  if (!margin) return NOTHING;
  const mean = formatMargin(margin.mean);
  return margin.interval ? `${mean} [${formatInterval(margin.interval)}]` : mean;
}

/** Accuracy with its interval, in percent: `12.5 % [10.0 … 15.0]`. */
export function describeAccuracy({ queries, right, rightInterval }: StreamEvalGroup): string {
  if (right === null || !rightInterval) return NOTHING;
  const bounds = [rightInterval.lower, rightInterval.upper].map((bound) => (100 * bound).toFixed(1));
  return `${((100 * right) / queries).toFixed(1)} % [${bounds.join(" … ")}]`;
}

/** A share in percent. */
export function formatShare(share: number | null): string {
  return share === null ? NOTHING : `${(100 * share).toFixed(1)} %`;
}

/** A margin: small ones are 0 and not 0.00000123. */
export function formatMargin(value: number): string {
  return Math.abs(value) < 0.0005 ? "0" : formatNumber(value);
}
