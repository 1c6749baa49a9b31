import {
  checkCount,
  checkStride,
  definePolicy,
  findWindowProblem,
  keepHighest,
  KVPolicyError,
  resolveStride,
  type KVCachePolicy,
  type Stride,
} from "@kvpolicy/core";

/** Options of {@link surprise}. */
export interface SurpriseOptions {
  /** Initial tokens kept for ever, a beginning-of-sequence token included. Defaults to 4. */
  readonly sinks?: number | undefined;
  /** Most tokens kept between the sinks and the window, those that were hardest to predict. Defaults to 64. */
  readonly surprises?: number | undefined;
  /**
   * Most recent tokens kept, the current one included. Fixes the budget: sinks + surprises + window. Defaults to what the budget
   * leaves.
   */
  readonly window?: number | undefined;
  /** Cells freed by one eviction: 1 … window, or `half` of the window. Defaults to a sixteenth of the window. */
  readonly stride?: Stride | undefined;
  /**
   * Tokens after which a surprise counts half, so that old ones make room for new ones, at least 1. Defaults to none: a token that was hard
   * enough to predict stays for ever.
   */
  readonly halfLife?: number | undefined;
}

/**
 * The first few tokens stay, a window of recent ones, and of what lies between them those that were hardest to predict: the largest
 * negative log-likelihoods, each as it was when the token was read.
 *
 * Kept: tokens 0 … sinks − 1, the `surprises` most surprising tokens that have left the window, and the last `window` tokens
 * (window − stride + 1 right after an eviction). Lost: what could be guessed.
 *
 * It needs the likelihood of every token (`nll`), which costs a pass over the vocabulary for each.
 *
 * Paper: Yao et al., ACL 2024 (arXiv 2405.12528), SirLLM, section 3, whose "token entropy" is this likelihood. It differs in two ways:
 * the paper fills its cache with surprising tokens and keeps recent ones only where there are too few; and its decay is by a ratio after
 * each round of a dialogue, here by a half-life in tokens.
 *
 * @throws {KVPolicyError} `config` for negative or fractional sinks or surprises, a window or half-life below 1, or a stride that is not
 * between 1 and the window.
 * @example
 * ```ts
 * await using stream = await openStream(model, { policy: surprise(), budget: 1024 });
 * ```
 */
export function surprise({
  sinks = 4,
  surprises = 64,
  window,
  stride,
  halfLife,
}: SurpriseOptions = {}): KVCachePolicy {
  checkCount("surprise", "sinks", sinks, 0);
  checkCount("surprise", "surprises", surprises, 0);
  if (window !== undefined) checkCount("surprise", "window", window, 1);
  checkStride("surprise", stride, window);
  if (halfLife !== undefined && !(Number.isFinite(halfLife) && halfLife >= 1)) {
    throw new KVPolicyError({
      code: "config",
      message: `surprise: halfLife must be a number of at least 1, not ${halfLife}.`,
      details: { option: "halfLife", value: halfLife },
    });
  }
  const kept = sinks + surprises;
  return definePolicy({
    name: "surprise",
    ...(window !== undefined && { budget: kept + window }),
    requires: ["reindex", "nll"],
    checkBudget: (budget) =>
      findWindowProblem({ budget, kept, what: `${sinks} sinks and ${surprises} surprises`, stride }),
    plan: (view) => {
      const newest = view.streamPosition(view.length - 1);
      return keepHighest(view, {
        first: sinks,
        between: surprises,
        stride: resolveStride(stride, view.budget - kept),
        score: (index) => {
          const nll = view.nll?.(index) ?? NaN;
          return halfLife === undefined ? nll : fade(nll, (newest - view.streamPosition(index)) / halfLife);
        },
      });
    },
    describe: () => ({
      name: "surprise",
      shape: "opaque",
      first: sinks,
      options: {
        sinks,
        surprises,
        window: window ?? null,
        stride: stride ?? null,
        halfLife: halfLife ?? null,
      },
    }),
  });
}

/** The order of nll / 2 ** halfLives, which itself would soon be nought for all. */
function fade(nll: number, halfLives: number): number {
  return Math.log2(Math.max(nll, Number.MIN_VALUE)) - halfLives;
}
