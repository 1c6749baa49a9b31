import type { KVCachePolicy } from "@kvpolicy/core";

/** A policy whose time per token is measured at several budgets. */
export interface LatencyContender {
  /** Its name in tables and charts; two of a measurement differ. */
  readonly name: string;
  /**
   * What becomes of the survivors of an eviction. `dense` evicts nothing: its last cells are read, taken off and read again, which
   * is plain decoding at an almost full cache.
   */
  readonly kind: "reuse" | "recompute" | "dense";
  /** Cells that one eviction frees; null for `dense`. */
  readonly stride: number | null;
  /** Makes the policy for a budget. */
  create(budget: number): KVCachePolicy;
}

/** Tokens that dense reads in a turn. */
const DENSE_TURN = 16;

/** Tokens of one unit of measurement: a whole stride; of dense, a turn at the end of a full cache. */
export function unitTokens({ stride }: LatencyContender, budget: number): number {
  return stride ?? Math.max(1, Math.min(DENSE_TURN, Math.floor(budget / 2)));
}

/** Tokens that the engine evaluates in one unit. */
export function evaluatedTokens(contender: LatencyContender, budget: number): number {
  // Of recompute: the survivors, which are the budget less the stride, and the stride.
  return contender.kind === "recompute" ? budget : unitTokens(contender, budget);
}

/**
 * The policy of a contender for a budget, or why it has no place there, in words.
 *
 * @throws {unknown} What `create` and `checkBudget` throw.
 */
export function preparePolicy(contender: LatencyContender, budget: number): KVCachePolicy | string {
  const { stride } = contender;
  if (stride !== null && stride >= budget) return `a stride of ${stride} leaves nothing of ${budget} cells`;
  const policy = contender.create(budget);
  return policy.checkBudget?.(budget) ?? policy;
}
