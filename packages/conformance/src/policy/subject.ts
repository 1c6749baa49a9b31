import { checkCount, type KVCachePolicy } from "@kvpolicy/core";

import { Breach } from "../breach.js";
import { wrongOption, type SuiteSubject } from "../runner.js";

/** What a policy promises beyond a valid plan. */
export interface PolicyPromises {
  /**
   * First cells that never leave, whatever is required; `bos`: the cell with the mark of that name, if any. Defaults to what
   * `describe()` says in its shape, or as `first`, else 0.
   */
  readonly first?: number | "bos" | undefined;
  /** The newest token never leaves when a stream asks, for the fewest cells. Defaults to false. */
  readonly newest?: boolean | undefined;
  /** No cell with the mark `pinned` ever leaves. Defaults to false. */
  readonly pinned?: boolean | undefined;
  /**
   * Without marks it always finds something to evict, so that a stream goes on for ever. Defaults to true when
   * `describe().shape` has a stride other than 0, else to false.
   */
  readonly endless?: boolean | undefined;
}

/** A policy under test. */
export interface PolicySubject extends SuiteSubject {
  /** Makes the policy; every call the same one, and a new instance. */
  create(): KVCachePolicy;
  /**
   * Budgets to try, in cells, both ends included. Those that `checkBudget` refuses are left out, of many a few dozen are
   * tried, the ends among them, and a policy with a budget of its own is tried with that one. Defaults to 1 … 48.
   */
  readonly budgets?: { readonly minimum: number; readonly maximum: number } | undefined;
  /** What it promises. */
  readonly promises?: PolicyPromises | undefined;
}

/** What a subject promises with a budget, the defaults filled in; left out, it is the largest to try. */
export function promisesOf(subject: PolicySubject, budget = settleBudgets(subject).maximum): Settled {
  const { shape, first } = subject.create().describe(budget);
  const isOpaque = shape === "opaque";
  return {
    first: subject.promises?.first ?? (isOpaque ? (first ?? 0) : shape.first),
    newest: subject.promises?.newest ?? false,
    pinned: subject.promises?.pinned ?? false,
    endless: subject.promises?.endless ?? (!isOpaque && shape.stride !== 0),
  };
}

/** Budgets that are tried when a policy accepts more. */
const MOST_BUDGETS = 64;

/** The budgets to try, ascending. */
export function budgetsOf(subject: PolicySubject): readonly number[] {
  const { minimum, maximum } = settleBudgets(subject);
  const policy = subject.create();
  if (policy.budget !== undefined) return [policy.budget];
  const accepted: number[] = [];
  for (let budget = minimum; budget <= maximum; budget += 1) {
    if (policy.checkBudget?.(budget) === undefined) accepted.push(budget);
  }
  if (accepted.length === 0) {
    throw new Breach(
      `it accepts no budget from ${minimum} to ${maximum} cells: the subject's option budgets says which to try`,
    );
  }
  if (accepted.length <= MOST_BUDGETS) return accepted;
  // Faults of small budgets are the likeliest: half of what is tried is the smallest, the rest is spread.
  const half = MOST_BUDGETS / 2;
  const spread = (accepted.length - 1 - half) / (half - 1);
  const indices = Array.from({ length: half }, (_, index) => half + Math.round(index * spread));
  return [...accepted.slice(0, half), ...indices.map((index) => accepted[index] ?? minimum)];
}

/**
 * Checks the budgets of a subject, and fills in the default.
 *
 * @throws {KVPolicyError} `config` when they are no whole numbers of at least 1, or reversed.
 */
export function settleBudgets(subject: PolicySubject): {
  readonly minimum: number;
  readonly maximum: number;
} {
  const { minimum, maximum } = subject.budgets ?? { minimum: 1, maximum: 48 };
  checkCount(subject.name, "budgets.minimum", minimum, 1);
  checkCount(subject.name, "budgets.maximum", maximum, 1);
  if (minimum <= maximum) return { minimum, maximum };
  throw wrongOption(
    subject,
    "budgets",
    subject.budgets,
    `its budgets end at ${maximum} and begin at ${minimum}`,
  );
}

type Settled = { readonly [Promise in keyof PolicyPromises]-?: Exclude<PolicyPromises[Promise], undefined> };
