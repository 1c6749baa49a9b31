import {
  checkCount,
  checkStride,
  definePolicy,
  findWindowProblem,
  keepHighest,
  resolveStride,
  type KVCachePolicy,
  type Stride,
} from "@kvpolicy/core";

/** Options of {@link dispersed}. */
export interface DispersedOptions {
  /** Initial tokens kept for ever, a beginning-of-sequence token included. Defaults to 4. */
  readonly sinks?: number | undefined;
  /** Most anchors kept between the sinks and the window. Defaults to 32. */
  readonly anchors?: number | undefined;
  /** Stream positions from one anchor to the next, at first: it doubles whenever there are more than `anchors` of them. Defaults to 16. */
  readonly spacing?: number | undefined;
  /**
   * Most recent tokens kept, the current one included. Fixes the budget: sinks + anchors + window. Defaults to what the budget leaves.
   */
  readonly window?: number | undefined;
  /**
   * Cells freed by one eviction, more while there are fewer anchors than allowed: 1 … window, or `half` of the window. Defaults to a
   * sixteenth of the window.
   */
  readonly stride?: Stride | undefined;
}

/**
 * The first few tokens stay, a window of recent ones, and anchors that are spread over everything between them: every `spacing`-th
 * stream position, with the spacing doubling from the oldest on when there are too many.
 *
 * Kept: tokens 0 … sinks − 1, the `anchors` roundest stream positions that have left the window, and the last `window` tokens
 * (window − stride + 1 right after an eviction). A multiple of `spacing` is the rounder the more often it can be halved with a
 * multiple left, 0 the roundest of all; of equals the newest stay. Lost: the rest, evenly.
 *
 * A thin sample of the whole stream, whatever it says: what policies that choose by content have to be better than. The idea of
 * fixed positions beside a local pattern is Child et al., 2019 (arXiv 1904.10509), section 4.3, as attention that a model is trained
 * with and not as eviction; that the spacing doubles is not from there.
 *
 * @throws {KVPolicyError} `config` for negative or fractional sinks or anchors, a spacing or window below 1, or a stride that is not
 * between 1 and the window.
 * @example
 * ```ts
 * await using stream = await openStream(model, { policy: dispersed(), budget: 1024 });
 * ```
 */
export function dispersed({
  sinks = 4,
  anchors = 32,
  spacing = 16,
  window,
  stride,
}: DispersedOptions = {}): KVCachePolicy {
  checkCount("dispersed", "sinks", sinks, 0);
  checkCount("dispersed", "anchors", anchors, 0);
  checkCount("dispersed", "spacing", spacing, 1);
  if (window !== undefined) checkCount("dispersed", "window", window, 1);
  checkStride("dispersed", stride, window);
  const kept = sinks + anchors;
  return definePolicy({
    name: "dispersed",
    ...(window !== undefined && { budget: kept + window }),
    requires: ["reindex"],
    checkBudget: (budget) =>
      findWindowProblem({ budget, kept, what: `${sinks} sinks and ${anchors} anchors`, stride }),
    plan: (view) =>
      keepHighest(view, {
        first: sinks,
        between: anchors,
        stride: resolveStride(stride, view.budget - kept),
        score: (index) => roundness(view.streamPosition(index), spacing),
      }),
    describe: () => ({
      name: "dispersed",
      shape: "opaque",
      first: sinks,
      options: { sinks, anchors, spacing, window: window ?? null, stride: stride ?? null },
    }),
  });
}

/** How often the spacing can double with the position still a multiple of it; minus infinity for what is none. */
function roundness(position: number, spacing: number): number {
  if (position === 0) return Infinity;
  let doublings = -Infinity;
  for (let step = spacing; position % step === 0; step *= 2) doublings = Math.max(0, doublings + 1);
  return doublings;
}
