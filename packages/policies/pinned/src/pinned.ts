import {
  BOS_MARK,
  checkPolicy,
  countCells,
  definePolicy,
  mergeRanges,
  PINNED_MARK,
  subtractRanges,
  type CacheRange,
  type CacheView,
  type EvictionPlan,
  type KVCachePolicy,
  type PolicyDescription,
} from "@kvpolicy/core";

/**
 * Never evicts a cell with the mark `pinned`, a system prompt or a document say; another policy decides about the rest.
 *
 * The inner policy does not see the pinned cells, and so plans as if the cache were smaller by them: it frees as many cells as
 * ever, and never asks for a pinned one. Only those among the first cells that it keeps itself (its sinks) stay in its sight, so
 * that a pinned head serves as the sinks. Without pins it is the inner policy, to the cell.
 *
 * Kept: the pinned cells, and what the inner policy keeps of the others. Pins come from the stream's marks,
 * `stream.mark("pinned", range)`, which refuses one that would leave the inner policy a budget that it cannot work with: a window
 * smaller than its stride, say, or none.
 *
 * Around a policy that aligns, it goes outside: `pinned(turnAligned(sinkWindow()))`.
 *
 * @throws {KVPolicyError} `config` when `inner` is no policy.
 * @example
 * ```ts
 * await using chat = await openChat(model, { policy: pinned(turnAligned(sinkWindow())), systemPrompt, budget: 2048 });
 * ```
 */
export function pinned(inner: KVCachePolicy): KVCachePolicy {
  checkPolicy("pinned", inner);
  return definePolicy({
    name: "pinned",
    ...(inner.budget !== undefined && { budget: inner.budget }),
    requires: inner.requires,
    checkBudget: (budget) => inner.checkBudget?.(budget),
    plan: (view) => {
      const pins = mergeRanges(view.marks.filter(({ name }) => name === PINNED_MARK));
      if (pins.length === 0) return inner.plan(view);
      // A policy that keeps a share of its budget keeps at least that of what all pins leave. With more pins in its sight it would
      // evict some of them, and free too little.
      const left = Math.max(1, view.budget - countCells(pins));
      const plan = planWithout(inner, view, pins, firstCells(inner.describe(left), view));
      // A policy that evicts first cells which it says it keeps may free too little: then it sees no pin at all.
      const isShort = plan !== null && countCells(plan.evict) < view.required;
      return isShort ? planWithout(inner, view, pins, 0) : plan;
    },
    describe: (budget) => ({ name: "pinned", shape: "opaque", options: {}, inner: inner.describe(budget) }),
  });
}

/** Asks for a plan without the pins in sight, but for those among the first `kept` cells. */
function planWithout(
  inner: KVCachePolicy,
  view: CacheView,
  pins: readonly CacheRange[],
  kept: number,
): EvictionPlan | null {
  const sight = new Sight(view, subtractRanges(pins, [{ start: 0, end: kept }]));
  const seen = sight.view();
  // With less than it can work with, a policy would let go of recent tokens that it promises to keep.
  if (view.required > seen.length || inner.checkBudget?.(seen.budget) !== undefined) return null;
  const plan = inner.plan(seen);
  return plan && { ...plan, evict: subtractRanges(sight.inView(plan.evict), pins) };
}

/** A view without some of its cells. Indices of cells in sight count only those. */
class Sight {
  readonly length: number;
  readonly #view: CacheView;
  readonly #hidden: readonly CacheRange[];

  constructor(view: CacheView, hidden: readonly CacheRange[]) {
    this.#view = view;
    this.#hidden = hidden;
    this.length = view.length - countCells(hidden);
  }

  /** The view that a policy gets. */
  view(): CacheView {
    const { budget, required, token, streamPosition, nll } = this.#view;
    const at = (index: number): number => this.#indexInView(index);
    return {
      length: this.length,
      budget: budget - (this.#view.length - this.length),
      required,
      marks: this.#view.marks
        .map(({ name, start, end }) => ({
          name,
          start: this.#indexInSight(start),
          end: this.#indexInSight(end),
        }))
        .filter(({ start, end }) => start < end),
      token: (index) => token(at(index)),
      streamPosition: (index) => streamPosition(at(index)),
      ...(nll && { nll: (index: number) => nll(at(index)) }),
    };
  }

  /** Ranges of cells in sight as ranges of the view; they may reach across hidden cells. */
  inView(ranges: readonly CacheRange[]): CacheRange[] {
    return ranges.map(({ start, end }) => ({
      start: this.#indexInView(start),
      end: this.#indexInView(end - 1) + 1,
    }));
  }

  #indexInView(index: number): number {
    let inView = index;
    for (const { start, end } of this.#hidden) {
      if (start > inView) break;
      inView += end - start;
    }
    return inView;
  }

  #indexInSight(index: number): number {
    let inSight = index;
    for (const { start, end } of this.#hidden) inSight -= Math.max(0, Math.min(end, index) - start);
    return inSight;
  }
}

/** First cells that a policy keeps, or the policy that it wraps. */
function firstCells({ shape, first, inner }: PolicyDescription, view: CacheView): number {
  const cells = shape === "opaque" ? first : shape.first;
  if (cells === undefined) return inner ? firstCells(inner, view) : 0;
  if (cells !== "bos") return cells;
  return view.marks.some(({ name, start }) => name === BOS_MARK && start === 0) ? 1 : 0;
}
