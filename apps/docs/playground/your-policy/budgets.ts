import type { KVCachePolicy } from "@kvpolicy/core";

/** Budgets to try, both ends included. */
export interface BudgetRange {
  /** The smallest, in cells. */
  readonly minimum: number;
  /** The largest, in cells. */
  readonly maximum: number;
}

/** Largest budget that is looked at. */
export const MOST_CELLS = 4096;

/** How many are tried. */
const TRIED = 48;

/**
 * The budgets that the laws are tried with: the first 48 cells, or as many from the smallest budget that the policy accepts, where that
 * leaves too few. `undefined` when it accepts none.
 */
export function budgetsToTry(policy: KVCachePolicy): BudgetRange | undefined {
  if (policy.budget !== undefined) return { minimum: policy.budget, maximum: policy.budget };
  const smallest = firstAccepted(policy, 1, MOST_CELLS);
  if (smallest === undefined) return undefined;
  return smallest <= TRIED / 2
    ? { minimum: 1, maximum: TRIED }
    : { minimum: smallest, maximum: smallest + TRIED - 1 };
}

/** A budget that the policy accepts: its own, the one that is wished for, the next above it or the next below; `undefined` for none. */
export function acceptedBudget(policy: KVCachePolicy, wished: number): number | undefined {
  return policy.budget ?? firstAccepted(policy, wished, MOST_CELLS) ?? firstAccepted(policy, wished, 1);
}

function firstAccepted(policy: KVCachePolicy, start: number, end: number): number | undefined {
  const step = Math.sign(end - start);
  for (let budget = start; budget !== end + step; budget += step) {
    if (policy.checkBudget?.(budget) === undefined) return budget;
  }
  return undefined;
}
