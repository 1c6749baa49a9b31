import { checkCount, definePolicy, KVPolicyError, type KVCachePolicy } from "@kvpolicy/core";

import { createRandom } from "../statistics/random.js";
import { anchors } from "./anchors.js";

/** Options of {@link randomAnchor}. */
export interface RandomAnchorOptions {
  /** Tokens that stay for ever, at least 1. */
  readonly anchors: number;
  /** Cells, anchors included. Fixes the budget: the anchors are drawn from the tokens of the first fill. */
  readonly budget: number;
  /** Decides which tokens, a whole number of at least 0 of which the 32 low bits count. */
  readonly seed: number;
  /** First stream position that may be drawn. Defaults to 8: neither the first tokens nor those right behind them. */
  readonly from?: number | undefined;
  /** Cells freed by one eviction. Defaults to 1. */
  readonly stride?: number | undefined;
}

/**
 * A control, not for use: random tokens in place of the first ones. It keeps as many tokens for ever as
 * `sinkWindow({ sinks: anchors })`, beside the same window, but drawn from the whole first fill of the cache.
 *
 * Kept: `anchors` stream positions between `from` and budget − 1, drawn once from the seed without repetition, and the most recent
 * tokens. Lost: the rest, the first tokens too. It is {@link anchors} at those positions, which `describe()` names.
 *
 * The claim that it tests is that of Xiao et al., ICLR 2024 (arXiv 2309.17453), section 3.1: it is the first tokens that matter.
 *
 * @throws {KVPolicyError} `config` for a number that is not whole, no anchors, fewer positions than anchors between `from` and
 * budget − 1, or a budget without room for the anchors and a stride.
 * @example
 * ```ts
 * const policy = randomAnchor({ anchors: 4, budget: 1024, seed: 1 });
 * ```
 */
export function randomAnchor({
  anchors: count,
  budget,
  seed,
  from = 8,
  stride = 1,
}: RandomAnchorOptions): KVCachePolicy {
  checkCount("random-anchor", "anchors", count, 1);
  checkCount("random-anchor", "budget", budget, 1);
  checkCount("random-anchor", "seed", seed, 0);
  checkCount("random-anchor", "from", from, 0);
  checkCount("random-anchor", "stride", stride, 1);
  if (count > budget - from) {
    throw refusal("anchors", count, `there are no ${count} stream positions from ${from} to ${budget - 1}`);
  }
  const positions = drawPositions({ count, from, end: budget, seed });
  const inner = anchors({ positions, stride });
  const problem = inner.checkBudget?.(budget);
  if (problem !== undefined) throw refusal("budget", budget, problem);
  return definePolicy({
    name: "random-anchor",
    budget,
    requires: inner.requires,
    checkBudget: (cells) => inner.checkBudget?.(cells),
    plan: (view) => inner.plan(view),
    describe: () => ({
      name: "random-anchor",
      shape: "opaque",
      options: { anchors: count, budget, seed, from, stride, positions: positions.join(" ") },
    }),
  });
}

interface Draw {
  readonly count: number;
  readonly from: number;
  readonly end: number;
  readonly seed: number;
}

/** Whole numbers from `from` to `end` − 1, no two the same, ascending: the beginning of a shuffle. */
function drawPositions({ count, from, end, seed }: Draw): number[] {
  const random = createRandom(seed);
  const left = Array.from({ length: end - from }, (_, index) => from + index);
  const drawn: number[] = [];
  while (drawn.length < count) drawn.push(...left.splice(Math.floor(random() * left.length), 1));
  return drawn.sort((one, other) => one - other);
}

function refusal(option: string, value: number, problem: string): KVPolicyError {
  return new KVPolicyError({
    code: "config",
    message: `random-anchor: ${problem}.`,
    details: { option, value },
  });
}
