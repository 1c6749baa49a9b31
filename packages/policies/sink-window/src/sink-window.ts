import {
  checkCount,
  checkStride,
  definePolicy,
  findWindowProblem,
  resolveStride,
  type KVCachePolicy,
  type Stride,
} from "@kvpolicy/core";

/** Options of {@link sinkWindow}. */
export interface SinkWindowOptions {
  /** Initial tokens kept for ever, a beginning-of-sequence token included. Defaults to 4. Many models need only one. */
  readonly sinks?: number | undefined;
  /** Most recent tokens kept, the current one included. Fixes the budget: sinks + window. Defaults to what the budget leaves. */
  readonly window?: number | undefined;
  /**
   * Cells freed by one eviction: 1 … window, or `half` of the window, which is llama.cpp's own context shift. Defaults to a
   * sixteenth of the window; the paper's is 1.
   */
  readonly stride?: Stride | undefined;
}

/**
 * StreamingLLM: the first few tokens stay as attention sinks, and a window of recent ones.
 *
 * Kept: tokens 0 … sinks − 1 and the last `window` (window − stride + 1 right after an eviction). Lost: everything between
 * them, for good: this does not extend what the model can remember. Positions are counted inside the cache, so the model
 * never meets a position beyond the budget. A stride of the whole window leaves the sinks alone at each eviction.
 *
 * Paper: Xiao et al., ICLR 2024 (arXiv 2309.17453), section 3.2, written sinks+window. It differs in two ways. The paper
 * evicts after the forward pass, so its x+y sees x+y+1 keys; here the current token counts, and the paper's 4+1020 is
 * `{ sinks: 4, window: 1021 }`. And the paper evicts one token at a time: `stride: 1`.
 *
 * @throws {KVPolicyError} `config` for negative or fractional sinks, a window below 1, or a stride that is not between 1 and
 * the window.
 * @example
 * ```ts
 * await using stream = await openStream(model, { policy: sinkWindow(), budget: 1024 });
 * ```
 */
export function sinkWindow({ sinks = 4, window, stride }: SinkWindowOptions = {}): KVCachePolicy {
  checkCount("sink-window", "sinks", sinks, 0);
  if (window !== undefined) checkCount("sink-window", "window", window, 1);
  checkStride("sink-window", stride, window);
  return definePolicy({
    name: "sink-window",
    ...(window !== undefined && { budget: sinks + window }),
    requires: ["reindex"],
    checkBudget: (budget) => findWindowProblem({ budget, kept: sinks, what: `${sinks} sinks`, stride }),
    plan: ({ length, budget, required }) => {
      const freed = Math.max(required, resolveStride(stride, budget - sinks));
      return sinks + freed > length
        ? null
        : { evict: [{ start: sinks, end: sinks + freed }], survivors: "reuse" };
    },
    describe: () => ({
      name: "sink-window",
      shape: { first: sinks, recent: window ?? "rest", stride: stride ?? "default", survivors: "reuse" },
      options: { sinks, window: window ?? null, stride: stride ?? null },
    }),
  });
}
