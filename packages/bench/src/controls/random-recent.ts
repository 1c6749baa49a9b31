import { checkCount, definePolicy, findWindowProblem, keepHighest, type KVCachePolicy } from "@kvpolicy/core";

import { hashNumbers } from "../statistics/random.js";

/** Options of {@link randomRecent}. */
export interface RandomRecentOptions {
  /** Cells in front of the window, at least 1. */
  readonly anchors: number;
  /** Decides which tokens, a whole number of at least 0 of which the 32 low bits count. */
  readonly seed: number;
  /** Cells freed by one eviction, at most what the budget leaves for the window. Defaults to 1. */
  readonly stride?: number | undefined;
}

/**
 * A control, not for use: random recent tokens in place of the first ones. In front of a window of recent tokens are as many cells as
 * `sinkWindow({ sinks: anchors })` has, but none of them is for ever.
 *
 * Kept: the most recent tokens, and `anchors` of those in front of them, drawn anew at each eviction: from the ones kept so far and
 * the `stride` tokens that have just left the window, all with the same chance. Lost: the rest, the first tokens too, sooner or later.
 *
 * The draw is a hash of the seed, the stream position of the cell and the newest stream position.
 *
 * The claim that it tests is that of Xiao et al., ICLR 2024 (arXiv 2309.17453), section 3.1: it is the first tokens that matter.
 *
 * @throws {KVPolicyError} `config` for a number that is not whole, no anchors, or a stride below 1.
 * @example
 * ```ts
 * await using stream = await openStream(model, { policy: randomRecent({ anchors: 4, seed: 1 }), budget: 1024 });
 * ```
 */
export function randomRecent({ anchors, seed, stride = 1 }: RandomRecentOptions): KVCachePolicy {
  checkCount("random-recent", "anchors", anchors, 1);
  checkCount("random-recent", "seed", seed, 0);
  checkCount("random-recent", "stride", stride, 1);
  return definePolicy({
    name: "random-recent",
    requires: ["reindex"],
    checkBudget: (budget) =>
      findWindowProblem({ budget, kept: anchors, what: `${anchors} random tokens`, stride }),
    plan: (view) => {
      const newest = view.streamPosition(view.length - 1);
      return keepHighest(view, {
        first: 0,
        between: anchors,
        stride,
        score: (index) => hashNumbers(seed, view.streamPosition(index), newest),
      });
    },
    describe: () => ({ name: "random-recent", shape: "opaque", options: { anchors, seed, stride } }),
  });
}
