import {
  BOS_MARK,
  checkCount,
  checkStride,
  definePolicy,
  findWindowProblem,
  resolveStride,
  type KVCachePolicy,
  type Stride,
} from "@kvpolicy/core";

/** Options of {@link llamaCppShift}. */
export interface LlamaCppShiftOptions {
  /**
   * First tokens kept for ever, beside a beginning-of-sequence token: llama.cpp's `--keep` (`n_keep`), without its −1 for the
   * whole prompt. Defaults to 0, as there.
   */
  readonly keep?: number | undefined;
  /** Cells freed by one eviction: llama.cpp's `n_discard`. Defaults to `half` of what may leave, as there. */
  readonly stride?: Stride | undefined;
}

/**
 * The context shift of llama.cpp itself, to compare with: the first tokens that it is told to keep stay, and half of the rest
 * leaves at once.
 *
 * Kept: the cell with the `bos` mark, if there is one, `keep` tokens behind it, and the most recent tokens. Lost: what lies between
 * them. It is `sinkWindow({ sinks, stride: "half" })` with as many sinks as `keep`, and one more where the stream begins with
 * a beginning-of-sequence token. Without one, the default keeps no first token at all.
 *
 * Source: ggml-org/llama.cpp, tools/server/server-context.cpp, where `n_keep` grows by one for a model that adds a
 * beginning-of-sequence token and `n_discard` is (n_tokens − n_keep) / 2. It differs in one way: the server shifts when n_ctx − 1 cells are
 * in use, so its n_ctx is the budget + 1.
 *
 * @throws {KVPolicyError} `config` for a negative or fractional keep, or a stride that is neither `half` nor a whole number of
 * at least 1.
 * @example
 * ```ts
 * await using stream = await openStream(model, { policy: llamaCppShift(), budget: 1024 });
 * ```
 */
export function llamaCppShift({ keep = 0, stride = "half" }: LlamaCppShiftOptions = {}): KVCachePolicy {
  checkCount("llama-cpp-shift", "keep", keep, 0);
  checkStride("llama-cpp-shift", stride, undefined);
  return definePolicy({
    name: "llama-cpp-shift",
    requires: ["reindex"],
    // A budget must not depend on whether a model has a beginning-of-sequence token.
    checkBudget: (budget) =>
      findWindowProblem({
        budget,
        kept: keep + 1,
        what: `a beginning-of-sequence token and ${keep} kept tokens`,
        stride,
      }),
    plan: ({ length, budget, required, marks }) => {
      const bos = marks.find(({ name, start }) => name === BOS_MARK && start === 0)?.end ?? 0;
      const first = bos + keep;
      const freed = Math.max(required, resolveStride(stride, budget - first));
      return first + freed > length
        ? null
        : { evict: [{ start: first, end: first + freed }], survivors: "reuse" };
    },
    describe: () => ({
      name: "llama-cpp-shift",
      shape: keep === 0 ? { first: "bos", recent: "rest", stride, survivors: "reuse" } : "opaque",
      options: { keep, stride },
    }),
  });
}
