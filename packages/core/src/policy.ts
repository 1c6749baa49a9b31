import { KVPolicyError } from "./errors.js";
import type { Mark } from "./mark.js";
import type { CacheRange } from "./range.js";

/**
 * What a policy may need from a backend, checked when a stream opens:
 * - `reindex`: cells can be removed anywhere and the survivors' positions closed up without evaluating them again.
 * - `nll`: the negative log-likelihood of each token can be read; the view then has `nll`.
 * - `attention`: attention probabilities can be read.
 * - `keys`: cached keys can be read.
 */
export type Requirement = "reindex" | "nll" | "attention" | "keys";

/**
 * What a policy sees of the cache. Read-only, and valid only during the call of `plan`.
 * A policy is asked only when the cache is full and more tokens are to come.
 */
export interface CacheView {
  /** Cells in use. */
  readonly length: number;
  /** Most cells that may ever be in use, the current token's included. */
  readonly budget: number;
  /** Fewest cells that the plan must free: 1 from a stream, more from a combinator. */
  readonly required: number;
  /** The named ranges that are still in the cache, in cache indices and clipped to the live cells. */
  readonly marks: readonly Mark[];
  /** Token id in a cell. */
  readonly token: (index: number) => number;
  /** Stream position of the token in a cell: its index in the stream, whatever was evicted before it. */
  readonly streamPosition: (index: number) => number;
  /** Negative log-likelihood (nats) of the token in a cell when it was read; NaN for the first of a stream. Present when the policy requires `nll`. */
  readonly nll?: (index: number) => number;
}

/** What a policy answers. */
export interface EvictionPlan {
  /** The cells that leave: sorted, disjoint, not empty, in cache indices. */
  readonly evict: readonly CacheRange[];
  /** Whether the survivors keep the keys and values that they have, or are evaluated again from scratch. */
  readonly survivors: "reuse" | "recompute";
  /** What whoever listens should know of this very plan, in words: that a turn had to be cut, say. It is passed on in the event. */
  readonly note?: string | undefined;
}

/** The shape of policies that keep some first cells and some recent ones: what engines that are configured instead of driven understand. */
export interface PolicyShape {
  /** Cells kept in front for ever; `bos` keeps the cell that carries the `bos` mark, if any. */
  readonly first: number | "bos";
  /** Most recent cells kept; `rest` is what the budget leaves. */
  readonly recent: number | "rest";
  /**
   * Cells freed by one eviction, or what is required where that is more; 0 when nothing ever leaves. A number that is more than
   * what may leave stands for all of that. `half` is half of what may leave, rounded down, and at least one; `default` is what
   * the policy itself makes of the budget.
   */
  readonly stride: number | "half" | "default";
  /** What becomes of the survivors. */
  readonly survivors: EvictionPlan["survivors"];
}

/** A policy as plain data: for reports, snapshots and engines that are configured instead of driven. */
export interface PolicyDescription {
  /** Name of the policy. */
  readonly name: string;
  /** What it keeps, or `opaque` when that cannot be said in these words. */
  readonly shape: PolicyShape | "opaque";
  /** First cells that never leave, as in a shape, for a policy whose shape is opaque. Left out, none are promised. */
  readonly first?: PolicyShape["first"];
  /** Its options, defaults filled in. */
  readonly options: Readonly<Record<string, string | number | boolean | null>>;
  /**
   * Tokens that the engine evaluates for each token of the stream once the cache is full: budget / stride where the survivors are
   * evaluated again. Left out where it cannot be said, and where the survivors are reused, which takes one.
   */
  readonly evaluationsPerToken?: number;
  /** The wrapped policy, for a combinator. */
  readonly inner?: PolicyDescription;
}

/** The rule that says which cached tokens stay. */
export interface KVCachePolicy {
  /** Kebab-case name, the same in errors, events and reports. */
  readonly name: string;
  /** Cells that the policy's own options add up to, when they fix it. */
  readonly budget?: number;
  /** What the backend must offer. */
  readonly requires: readonly Requirement[];
  /** Why the policy cannot work with a budget, in words; `undefined` when it can. Asked when a stream opens. */
  checkBudget?(budget: number): string | undefined;
  /**
   * Which cells leave. Pure: no state, no clock, randomness only from a seed and stream positions.
   * `null` says that nothing may leave; the stream then fails with `cache-full`.
   */
  plan(view: CacheView): EvictionPlan | null;
  /** The policy as plain data. With the budget of a stream, what depends on it is said, too: `evaluationsPerToken`. */
  describe(budget?: number): PolicyDescription;
}

/** What {@link definePolicy} takes: a policy whose `requires` and `describe` may be left out. */
export type PolicyDefinition = Omit<KVCachePolicy, "requires" | "describe"> &
  Partial<Pick<KVCachePolicy, "requires" | "describe">>;

/**
 * Makes a policy of its parts. Left out, `requires` is empty and `describe` calls the shape `opaque`.
 *
 * @example
 * ```ts
 * export const fifo = definePolicy({
 *   name: "fifo",
 *   requires: ["reindex"],
 *   plan: ({ required }) => ({ evict: [{ start: 0, end: required }], survivors: "reuse" }),
 * });
 * ```
 * @throws {KVPolicyError} `config` when the name is empty, the budget is not a positive whole number, or there is no `plan`.
 */
export function definePolicy(definition: PolicyDefinition): KVCachePolicy {
  const { name, budget } = definition;
  if (name === "")
    throw new KVPolicyError({
      code: "config",
      message: "A policy needs a name.",
      details: { option: "name", value: name },
    });
  if (budget !== undefined && !(Number.isSafeInteger(budget) && budget > 0)) {
    throw new KVPolicyError({
      code: "config",
      message: `The budget of policy "${name}" must be a positive whole number of cells, not ${budget}.`,
      details: { option: "budget", value: budget },
    });
  }
  if (typeof definition.plan !== "function") {
    throw new KVPolicyError({
      code: "config",
      message: `Policy "${name}" needs a function plan.`,
      details: { option: "plan", value: definition.plan },
    });
  }
  return Object.freeze<KVCachePolicy>({
    name,
    ...(budget !== undefined && { budget }),
    requires: definition.requires ?? [],
    ...(definition.checkBudget && { checkBudget: (cells) => definition.checkBudget?.(cells) }),
    plan: (view) => definition.plan(view),
    describe: (cells) => definition.describe?.(cells) ?? { name, shape: "opaque", options: {} },
  });
}

/**
 * The same view, asking for more cells: for combinators that ask the inner policy again.
 *
 * @throws {KVPolicyError} `range` when `required` is not a whole number between 1 and the view's length.
 */
export function withRequired(view: CacheView, required: number): CacheView {
  if (!Number.isSafeInteger(required) || required < 1 || required > view.length) {
    throw new KVPolicyError({
      code: "range",
      message: `A view of ${view.length} cells cannot require ${required} to be freed.`,
      details: { what: "required", value: required, minimum: 1, maximum: view.length },
    });
  }
  return {
    length: view.length,
    budget: view.budget,
    required,
    get marks() {
      return view.marks;
    },
    token: view.token,
    streamPosition: view.streamPosition,
    ...(view.nll && { nll: view.nll }),
  };
}
