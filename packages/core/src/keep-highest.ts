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
  // Sorting numbers without a comparison of ours is many times faster than sorting cells by their scores.
  const sorted = scores.slice().sort();
  const threshold = sorted[Math.max(0, sorted.length - most)] ?? -Infinity;
  let left = most;
  for (const score of sorted) if (score > threshold) left -= 1;
  for (let index = scores.length - 1; index >= 0; index -= 1) {
    const score = scores[index] ?? -Infinity;
    if (score === -Infinity || score < threshold) continue;
    if (score === threshold && left-- <= 0) continue;
    chosen[index] = 1;
  }
  return chosen;
}
