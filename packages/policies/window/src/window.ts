import {
  checkCount,
  checkStride,
  definePolicy,
  findWindowProblem,
  resolveStride,
  type KVCachePolicy,
  type Stride,
} from "@kvpolicy/core";

/** Options of {@link window}. */
export interface WindowOptions {
  /** Most recent tokens kept, the current one included. Fixes the budget. Defaults to the stream's budget. */
  readonly window?: number | undefined;
  /** Cells freed by one eviction: 1 … window, or `half`. Defaults to a sixteenth of the window; the paper's is 1. */
  readonly stride?: Stride | undefined;
}

/**
 * Window attention: the most recent tokens stay, with the keys and values that they have.
 *
 * Kept: the last `window` tokens (window − stride + 1 right after an eviction). Lost: everything before, the first tokens
 * too, which is why most models collapse as soon as the cache is full: the attention that they used to park on the first
 * token has nowhere to go. A baseline, not for use. A stride of the whole window empties the cache at each eviction.
 *
 * Paper: Xiao et al., ICLR 2024 (arXiv 2309.17453), figure 1b and section 3.1, written 0+L. There the positions of the
 * survivors are closed up as here.
 *
 * @throws {KVPolicyError} `config` for a window below 1, or a stride that is not between 1 and the window.
 * @example
 * ```ts
 * await using stream = await openStream(model, { policy: window({ window: 1024 }) });
 * ```
 */
export function window({ window: size, stride }: WindowOptions = {}): KVCachePolicy {
  if (size !== undefined) checkCount("window", "window", size, 1);
  checkStride("window", stride, size);
  return definePolicy({
    name: "window",
    ...(size !== undefined && { budget: size }),
    requires: ["reindex"],
    checkBudget: (budget) => findWindowProblem({ budget, kept: 0, what: "no cells", stride }),
    plan: ({ length, budget, required }) => {
      const freed = Math.max(required, resolveStride(stride, budget));
      return freed > length ? null : { evict: [{ start: 0, end: freed }], survivors: "reuse" };
    },
    describe: () => ({
      name: "window",
      shape: { first: 0, recent: size ?? "rest", stride: stride ?? "default", survivors: "reuse" },
      options: { window: size ?? null, stride: stride ?? null },
    }),
  });
}
