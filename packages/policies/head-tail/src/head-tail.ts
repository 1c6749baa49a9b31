import {
  checkStride,
  definePolicy,
  KVPolicyError,
  resolveStride,
  type KVCachePolicy,
  type Stride,
} from "@kvpolicy/core";

/** Options of {@link headTail}. */
export interface HeadTailOptions {
  /** Share of the budget that the first tokens get, rounded down to cells: 0 or more and below 1. Defaults to a half. */
  readonly head?: number | undefined;
  /** Cells freed by one eviction: 1 … the tail, or `half` of the tail. Defaults to a sixteenth of the tail. */
  readonly stride?: Stride | undefined;
}

/**
 * Truncates the middle: a share of the budget keeps the first tokens, the rest the most recent ones. For a prompt that is larger
 * than the budget, whose beginning (instructions) and end (the question) matter most.
 *
 * Kept: the first ⌊head · budget⌋ tokens for ever, and the most recent others (tail − stride + 1 right after an eviction). Lost: the
 * middle, and what is generated counts as the end: the tail goes on sliding. Unlike where a prompt is cut before it is evaluated,
 * the whole of it is read, and the tail was read with the middle still there.
 *
 * The same as `sinkWindow` with that many sinks, said as a share. LM Studio's context overflow policy `truncateMiddle` keeps the
 * system prompt and the first user message instead of a share; llama.cpp's `--keep` a number of tokens, and its context shift frees
 * half of the tail.
 *
 * @throws {KVPolicyError} `config` for a head that is no share, or a stride below 1.
 * @example
 * ```ts
 * await using stream = await openStream(model, { policy: headTail({ head: 0.25 }), budget: 2048 });
 * await stream.appendText(contract);
 * ```
 */
export function headTail({ head = 0.5, stride }: HeadTailOptions = {}): KVCachePolicy {
  if (!(typeof head === "number" && head >= 0 && head < 1)) {
    throw new KVPolicyError({
      code: "config",
      message: `head-tail: head must be a share, 0 or more and below 1, not ${head}.`,
      details: { option: "head", value: head },
    });
  }
  checkStride("head-tail", stride, undefined);
  // 0.29 of 100 is 28.999999999999996 in binary numbers; and a share below 1 leaves a cell.
  const firstCells = (budget: number): number => Math.min(Math.floor(head * budget + 1e-9), budget - 1);
  return definePolicy({
    name: "head-tail",
    requires: ["reindex"],
    checkBudget: (budget) => {
      const tail = budget - firstCells(budget);
      if (typeof stride !== "number" || stride <= tail) return undefined;
      return `the stride of ${stride} is larger than the tail of ${tail} cells`;
    },
    plan: ({ length, budget, required }) => {
      const start = firstCells(budget);
      const freed = Math.max(required, resolveStride(stride, budget - start));
      return start + freed > length ? null : { evict: [{ start, end: start + freed }], survivors: "reuse" };
    },
    describe: (budget) => ({
      name: "head-tail",
      shape: "opaque",
      ...(budget !== undefined && { first: firstCells(budget) }),
      options: { head, stride: stride ?? null },
    }),
  });
}
