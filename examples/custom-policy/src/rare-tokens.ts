import {
  checkCount,
  checkStride,
  definePolicy,
  findWindowProblem,
  keepHighest,
  resolveStride,
  type CacheView,
  type KVCachePolicy,
  type Stride,
} from "@kvpolicy/core";

/** Options of {@link rareTokens}. */
export interface RareTokensOptions {
  /** Initial tokens kept for ever, a beginning-of-sequence token included. Defaults to 4. */
  readonly sinks?: number | undefined;
  /** Most tokens kept between the sinks and the window, those with the rarest ids. Defaults to 32. */
  readonly rare?: number | undefined;
  /** Cells freed by one eviction: 1 … window, or `half` of the window. Defaults to a sixteenth of the window. */
  readonly stride?: Stride | undefined;
}

/**
 * The first few tokens stay, a window of recent ones, and of what lies between them the tokens whose ids are rarest in the cache.
 *
 * Kept: tokens 0 … sinks − 1, the `rare` tokens outside the window whose ids the fewest cells hold, newest of equals, and the most
 * recent tokens (window − stride + 1 right after an eviction). The window is what the budget leaves. Lost: the common words between.
 *
 * @throws {KVPolicyError} `config` for negative or fractional sinks or rare, or a stride below 1.
 */
export function rareTokens({ sinks = 4, rare = 32, stride }: RareTokensOptions = {}): KVCachePolicy {
  // Options are checked when the policy is made, so that a mistake shows at once and not when the cache is full.
  checkCount("rare-tokens", "sinks", sinks, 0);
  checkCount("rare-tokens", "rare", rare, 0);
  checkStride("rare-tokens", stride, undefined);
  const kept = sinks + rare;
  return definePolicy({
    name: "rare-tokens",
    // The survivors keep their keys and move to lower cells: a backend that cannot do that is refused when a stream opens.
    requires: ["reindex"],
    // Asked when a stream opens, the first time that the budget is known.
    checkBudget: (budget) =>
      findWindowProblem({ budget, kept, what: `${sinks} sinks and ${rare} rare tokens`, stride }),
    // Asked whenever the cache is full. The answer may depend on the view and the options alone: no state, no clock, no chance.
    plan: (view) => {
      const cells = countCellsOfTokens(view);
      return keepHighest(view, {
        first: sinks,
        between: rare,
        stride: resolveStride(stride, view.budget - kept),
        // The higher, the longer a cell stays; of equals the newest stay.
        score: (index) => -(cells.get(view.token(index)) ?? 0),
      });
    },
    // For reports, saved streams and policies around this one, in plain data. A shape can be said only where first and recent cells are
    // all that stay.
    describe: () => ({
      name: "rare-tokens",
      shape: "opaque",
      first: sinks,
      options: { sinks, rare, stride: stride ?? null },
    }),
  });
}

/** How many cells hold each token id, the first ones and the window included. */
function countCellsOfTokens({ length, token }: CacheView): ReadonlyMap<number, number> {
  const cells = new Map<number, number>();
  for (let index = 0; index < length; index += 1) {
    const id = token(index);
    cells.set(id, (cells.get(id) ?? 0) + 1);
  }
  return cells;
}
