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

/** Options of {@link separator}. */
export interface SeparatorOptions {
  /** Ids of the tokens that end a segment. They are the tokenizer's: see `isSeparator`. At least one. */
  readonly separatorTokens: Iterable<number>;
  /** Initial tokens kept for ever, a beginning-of-sequence token included. Defaults to 4. */
  readonly sinks?: number | undefined;
  /** Most separators kept between the sinks and the window, the newest ones. Defaults to 32. */
  readonly separators?: number | undefined;
  /**
   * Most recent tokens kept, the current one included. Fixes the budget: sinks + separators + window. Defaults to what the budget
   * leaves.
   */
  readonly window?: number | undefined;
  /**
   * Cells freed by one eviction, more while fewer separators are kept than allowed: 1 … window, or `half` of the window. Defaults to
   * two ninths of the window, about the paper's 65 of 289.
   */
  readonly stride?: Stride | undefined;
}

/**
 * SepLLM: the first few tokens stay, a window of recent ones, and of what lies between them the separators, newest first. Models
 * gather what a segment says in the separator that ends it.
 *
 * Kept: tokens 0 … sinks − 1, the newest `separators` separators that have left the window, and the last `window` tokens
 * (window − stride + 1 right after an eviction). Lost: the words between the separators.
 *
 * Paper: Chen et al., ICML 2025 (arXiv 2412.12094), section 3.3, "tailored streaming design", a + s + w of c. It compresses after the
 * forward pass, when more than c cells are in use, and w is what it leaves of the window: a / s / w / c is a window of c + 1 − a − s
 * and a stride of that less w, and its 4 / 32 / 224 / 324 is `{ sinks: 4, separators: 32, window: 289, stride: 65 }`. Its results
 * are of models trained with this attention, and of others without training.
 *
 * @throws {KVPolicyError} `config` without separator tokens or with ids that are no whole numbers, for negative or fractional sinks or
 * separators, a window below 1, or a stride that is not between 1 and the window.
 * @example
 * ```ts
 * const policy = separator({ separatorTokens: findTokens(model, isSeparator) });
 * await using stream = await openStream(model, { policy, budget: 1024 });
 * ```
 */
export function separator({
  separatorTokens,
  sinks = 4,
  separators = 32,
  window,
  stride,
}: SeparatorOptions): KVCachePolicy {
  const ids = checkTokens(separatorTokens);
  checkCount("separator", "sinks", sinks, 0);
  checkCount("separator", "separators", separators, 0);
  if (window !== undefined) checkCount("separator", "window", window, 1);
  checkStride("separator", stride, window);
  const kept = sinks + separators;
  return definePolicy({
    name: "separator",
    ...(window !== undefined && { budget: kept + window }),
    requires: ["reindex"],
    checkBudget: (budget) =>
      findWindowProblem({ budget, kept, what: `${sinks} sinks and ${separators} separators`, stride }),
    plan: (view) =>
      keepHighest(view, {
        first: sinks,
        between: separators,
        stride: strideOf(stride, view.budget - kept),
        score: (index) => (ids.has(view.token(index)) ? index : -Infinity),
      }),
    describe: () => ({
      name: "separator",
      shape: "opaque",
      first: sinks,
      options: {
        sinks,
        separators,
        window: window ?? null,
        stride: stride ?? null,
        separatorTokenCount: ids.size,
      },
    }),
  });
}

function checkTokens(tokens: Iterable<number> | undefined): ReadonlySet<number> {
  if (typeof tokens !== "object") {
    throw new KVPolicyError({
      code: "config",
      message: `separator: separatorTokens must be a list of token ids, not of type ${typeof tokens}.`,
      details: { option: "separatorTokens", value: tokens },
    });
  }
  const ids = new Set(tokens);
  for (const id of ids) checkCount("separator", "each of separatorTokens", id, 0);
  if (ids.size > 0) return ids;
  throw new KVPolicyError({
    code: "config",
    message: "separator: separatorTokens is empty, so no token would ever count as a separator.",
    details: { option: "separatorTokens", value: [] },
  });
}

function strideOf(stride: Stride | undefined, window: number): number {
  return resolveStride(stride ?? Math.round((window * 2) / 9), window);
}
