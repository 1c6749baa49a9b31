import { formatNumber } from "../report/numbers.js";
import type { Interval } from "../results/header.js";

/** Largest ratio of perplexities that still counts as "not inferior". */
export const NON_INFERIORITY_MARGIN = 1.03;

/**
 * What an interval of 95 % for the ratio of two perplexities says, in words. That one is not worse is said only where the whole
 * interval lies below {@link NON_INFERIORITY_MARGIN}: not to have found a difference is no proof that there is none.
 *
 * @param name - Whose perplexity is above the line.
 * @param reference - Whose is below.
 * @param interval - Bounds of the ratio; null where too little was read for any.
 */
export function compareInWords(name: string, reference: string, interval: Interval | null): string {
  if (!interval) return `${name} against ${reference}: no verdict, too little was read for an interval.`;
  const { lower, upper } = interval;
  const margin = `${formatNumber((NON_INFERIORITY_MARGIN - 1) * 100, 1)} %`;
  if (lower === 1 && upper === 1) return `${name} and ${reference} do exactly the same.`;
  if (lower > 1) {
    const within = upper <= NON_INFERIORITY_MARGIN ? `, within the margin of ${margin}: not inferior` : "";
    return `${name} is worse than ${reference} by ${percentages(lower - 1, upper - 1)}${within}.`;
  }
  if (upper < 1) return `${name} is better than ${reference} by ${percentages(1 - upper, 1 - lower)}.`;
  const isNotWorse = upper <= NON_INFERIORITY_MARGIN;
  const isNotBetter = 1 / lower <= NON_INFERIORITY_MARGIN;
  if (isNotWorse && isNotBetter)
    return `${name} and ${reference} are the same within ${margin}: from ${percent(1 - lower)} better to ${percent(upper - 1)} worse.`;
  if (isNotWorse) return `${name} is not inferior to ${reference}: at most ${percent(upper - 1)} worse.`;
  if (isNotBetter) return `${reference} is not inferior to ${name}: at most ${percent(1 / lower - 1)} worse.`;
  return `${name} against ${reference}: no verdict, anything from ${percent(1 - lower)} better to ${percent(upper - 1)} worse.`;
}

/** Bounds in per cent, rounded outwards: no figure promises more than was found. */
function percentages(from: number, to: number): string {
  const [least, most] = [roundTo(from * 100, Math.floor), roundTo(to * 100, Math.ceil)];
  return least === most ? `${least} %` : `${least} to ${most} %`;
}

function percent(share: number): string {
  return `${roundTo(share * 100, Math.ceil)} %`;
}

/** Two significant digits, or all before the point, rounded as told. */
function roundTo(value: number, round: (value: number) => number): string {
  if (value === 0) return "0";
  const scale = Math.max(1, 10 ** (1 - Math.floor(Math.log10(value))));
  // What lies within a rounding error of a round number is that number.
  const scaled = value * scale;
  const nearest = Math.round(scaled);
  return formatNumber((Math.abs(scaled - nearest) < 1e-9 ? nearest : round(scaled)) / scale, 2);
}
