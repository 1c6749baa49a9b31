import {
  BOS_MARK,
  checkCount,
  checkStride,
  definePolicy,
  KVPolicyError,
  resolveStride,
  type CacheView,
  type KVCachePolicy,
  type PolicyDescription,
  type Stride,
} from "@kvpolicy/core";

/** Options of {@link recompute}. */
export interface RecomputeOptions {
  /** Tokens that are evaluated again, head and current token included. Fixes the budget. Defaults to the stream's budget. */
  readonly window?: number | undefined;
  /**
   * Cells freed by one eviction: 1 … window, or `half`. Every stride-th token costs an evaluation of the whole window, so a
   * token costs about window / stride evaluations, which `describe(budget).evaluationsPerToken` says. Defaults to a sixteenth of
   * the window; the paper's is 1.
   */
  readonly stride?: Stride | undefined;
  /**
   * What stays in front: the cell that carries the `bos` mark if there is one (`bos`, the default), nothing (`none`), or that
   * many first tokens. Some models that always saw a beginning-of-sequence token collapse without it.
   */
  readonly head?: "none" | "bos" | number | undefined;
}

/**
 * Sliding window with recomputation: the most recent tokens stay and are evaluated again after each eviction, as if the text
 * began with them.
 *
 * Kept: the head and the most recent window − head tokens. Lost: everything else, and, unlike with reused keys and values,
 * every trace of it. The quality to compare with, at many times the cost. It works on every backend and model.
 * A stride of all that may leave starts again from the head alone at each eviction.
 *
 * Paper: Xiao et al., ICLR 2024 (arXiv 2309.17453), figure 1c. The paper recomputes at every token (`stride: 1`) and released
 * no code for it; what it left in front is not said.
 *
 * @throws {KVPolicyError} `config` for a window below 1, a stride that is not between 1 and the window, or a head that is
 * negative or leaves no room in the window.
 * @example
 * ```ts
 * await using stream = await openStream(model, { policy: recompute({ stride: 64 }), budget: 1024 });
 * ```
 */
export function recompute({ window, stride, head = "bos" }: RecomputeOptions = {}): KVCachePolicy {
  if (window !== undefined) checkCount("recompute", "window", window, 1);
  checkStride("recompute", stride, window);
  if (typeof head === "number") checkCount("recompute", "head", head, 0);
  const findProblem = (budget: number): string | undefined => {
    const front = typeof head === "number" ? head : 0;
    if (front >= budget) return `a head of ${front} leaves no room in a window of ${budget} cells`;
    if (typeof stride !== "number" || stride <= budget - front) return undefined;
    return `the stride of ${stride} is larger than the ${budget - front} cells behind the head`;
  };
  const problem = window === undefined ? undefined : findProblem(window);
  if (problem !== undefined) {
    throw new KVPolicyError({
      code: "config",
      message: `recompute: ${problem}.`,
      details: { option: "window", value: window },
    });
  }
  return definePolicy({
    name: "recompute",
    ...(window !== undefined && { budget: window }),
    checkBudget: findProblem,
    plan: (view) => {
      const front = frontCells(view, head);
      const freed = Math.max(view.required, resolveStride(stride, view.budget - front));
      return front + freed > view.length
        ? null
        : { evict: [{ start: front, end: front + freed }], survivors: "recompute" };
    },
    describe: (budget = window) => ({
      name: "recompute",
      shape: {
        first: head === "none" ? 0 : head,
        recent: window === undefined || head === "bos" ? "rest" : window - (head === "none" ? 0 : head),
        stride: stride ?? "default",
        survivors: "recompute",
      },
      options: { window: window ?? null, stride: stride ?? null, head },
      ...evaluations(budget, typeof head === "number" ? head : 0, stride),
    }),
  });
}

/** One decode of the whole window pays for `stride` tokens. A head of one beginning-of-sequence token hardly counts. */
function evaluations(
  budget: number | undefined,
  front: number,
  stride: Stride | undefined,
): Pick<PolicyDescription, "evaluationsPerToken"> {
  if (budget === undefined || budget <= front) return {};
  return { evaluationsPerToken: budget / resolveStride(stride, budget - front) };
}

function frontCells({ marks }: CacheView, head: "none" | "bos" | number): number {
  if (head === "none") return 0;
  if (head === "bos") return marks.find(({ name, start }) => name === BOS_MARK && start === 0)?.end ?? 0;
  return head;
}
