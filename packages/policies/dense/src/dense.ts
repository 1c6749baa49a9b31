import { definePolicy, type KVCachePolicy } from "@kvpolicy/core";

/**
 * Dense attention: every token stays.
 *
 * Kept: everything, until the cache is full; the stream then fails with `cache-full` and stays usable. Lost: nothing.
 * Models also degrade past the length that they were trained on, long before memory runs out.
 *
 * Paper: Xiao et al., "Efficient Streaming Language Models with Attention Sinks", ICLR 2024 (arXiv 2309.17453), figure 1a.
 * Its dense baseline grows until memory runs out; here the budget is the limit.
 *
 * @example
 * ```ts
 * await using stream = await openStream(model, { policy: dense(), budget: 2048 });
 * ```
 */
export function dense(): KVCachePolicy {
  return definePolicy({
    name: "dense",
    plan: () => null,
    describe: () => ({
      name: "dense",
      shape: { first: 0, recent: "rest", stride: 0, survivors: "reuse" },
      options: {},
    }),
  });
}
