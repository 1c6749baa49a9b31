import { checkCount } from "./options.js";
import type { CacheView, EvictionPlan } from "./policy.js";
import type { CacheRange } from "./range.js";

/** What {@link keepHighest} keeps. */
export interface KeepHighestOptions {
  /** First cells that never leave. */
  readonly first: number;
  /** Most cells kept between them and the window, those with the highest score. */
  readonly between: number;
  /** Cells freed by one eviction, more where fewer than `between` are kept. What the view requires goes before. */
  readonly stride: number;
  /** How much a cell is worth. One that is worth minus infinity, or NaN, never stays; of equals the newest stay. */
  readonly score: (index: number) => number;
}

/**
 * The plan of a policy that scores tokens: the first cells stay and a window of recent ones, and of what lies between them the
 * cells with the highest score. The window is what the budget leaves, less the stride. The survivors are reused.
 *
 * When more is required than the stride, the window is kept before the scored cells.
 *
 * @returns `null` when so much is required that the first cells would have to leave.
 * @throws {KVPolicyError} `config` when `first`, `between` or `stride` is no whole number of at least 0.
 * @example
 * ```ts
 * const loud = definePolicy({
 *   name: "loud",
 *   requires: ["reindex", "nll"],
 *   plan: (view) => keepHighest(view, { first: 4, between: 64, stride: 16, score: (index) => view.nll?.(index) ?? NaN }),
 * });
 * ```
 */
export function keepHighest(
  { length, budget, required }: CacheView,
  { first, between, stride, score }: KeepHighestOptions,
): EvictionPlan | null {
  checkCount("keepHighest", "first", first, 0);
  checkCount("keepHighest", "between", between, 0);
  checkCount("keepHighest", "stride", stride, 0);
  const room = length - first - Math.max(required, stride);
  if (length - first < required) return null;
  const kept = Math.max(0, room);
  const window = Math.min(kept, Math.max(0, budget - first - between - stride));
  const end = length - window;
  const scores = new Float64Array(end - first);
  for (let index = first; index < end; index += 1) scores[index - first] = worth(score(index));
  const chosen = chooseHighest(scores, Math.min(between, kept - window));
  const evict: CacheRange[] = [];
  for (let index = first, start = first; index <= end; index += 1) {
    if (index < end && chosen[index - first] !== 1) continue;
    if (start < index) evict.push({ start, end: index });
    start = index + 1;
  }
  return { evict, survivors: "reuse" };
}

function worth(score: number): number {
  return Number.isNaN(score) ? -Infinity : score;
}

/** A 1 for each of the `most` highest; of equals, the last ones. */
function chooseHighest(scores: Float64Array, most: number): Uint8Array {
  const chosen = new Uint8Array(scores.length);
  if (most <= 0) return chosen;
  const threshold = most < scores.length ? selectAscending(scores.slice(), scores.length - most) : -Infinity;
  let left = most;
  for (let index = 0; index < scores.length; index += 1) if (scoreAt(scores, index) > threshold) left -= 1;
  for (let index = scores.length - 1; index >= 0; index -= 1) {
    const score = scoreAt(scores, index);
    if (score === -Infinity || score < threshold) continue;
    if (score === threshold && left-- <= 0) continue;
    chosen[index] = 1;
  }
  return chosen;
}

/**
 * What would stand at an index if the scores were sorted, which takes many times as long: Hoare's selection. It reorders the scores,
 * among which is no NaN.
 */
function selectAscending(scores: Float64Array, index: number): number {
  let low = 0;
  let high = scores.length - 1;
  while (low < high) {
    const pivot = scoreAt(scores, (low + high) >>> 1);
    let left = low;
    let right = high;
    while (left <= right) {
      while (scoreAt(scores, left) < pivot) left += 1;
      while (scoreAt(scores, right) > pivot) right -= 1;
      if (left > right) break;
      const score = scoreAt(scores, left);
      scores[left] = scoreAt(scores, right);
      scores[right] = score;
      left += 1;
      right -= 1;
    }
    if (index <= right) high = right;
    else if (index >= left) low = left;
    // What lies between the two sides equals the pivot.
    else break;
  }
  return scoreAt(scores, index);
}

function scoreAt(scores: Float64Array, index: number): number {
  return scores[index] ?? -Infinity;
}
