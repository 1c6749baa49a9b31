import type { Timings } from "../measure/stride-timer.js";
import { quantiles } from "../statistics/quantiles.js";
import type { PolicyResults } from "./comparison-schema.js";

/**
 * Milliseconds per token of whole strides. The mean is all their time over all their tokens; the quantiles are over strides,
 * each with its own time per token. Null when there is none.
 */
export function summarizeTimings({
  unit,
  tokens,
  milliseconds,
}: Timings): PolicyResults["millisecondsPerToken"] {
  const total = sum(tokens);
  if (total === 0) return null;
  const perToken = milliseconds.map((time, index) => time / (tokens[index] ?? NaN));
  const [p50 = NaN, p95 = NaN] = quantiles(perToken, [0.5, 0.95]);
  return { unit, count: tokens.length, tokens: total, mean: sum(milliseconds) / total, p50, p95 };
}

/**
 * How many times the reference's time per token a policy needs. Null unless both evict, and the same number of cells each
 * time: the time per token depends on the stride, so a ratio across strides would compare nothing.
 */
export function compareCosts(
  policy: Pick<PolicyResults, "stride" | "millisecondsPerToken">,
  reference: Pick<PolicyResults, "stride" | "millisecondsPerToken">,
): number | null {
  const [own, other] = [policy.millisecondsPerToken, reference.millisecondsPerToken];
  if (policy.stride === null || policy.stride !== reference.stride || !own || !other) return null;
  return other.mean > 0 ? own.mean / other.mean : null;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
