import {
  checkPolicy,
  countCells,
  definePolicy,
  KVPolicyError,
  mergeRanges,
  PINNED_MARK,
  subtractRanges,
  TURN_MARK,
  type CacheRange,
  type CacheView,
  type EvictionPlan,
  type KVCachePolicy,
} from "@kvpolicy/core";

/** Options of {@link turnAligned}. */
export interface TurnAlignedOptions {
  /** Name of the marks at whose starts turns begin. Defaults to `turn`, which `openChat` puts on the first token of each exchange. */
  readonly mark?: string | undefined;
}

/**
 * Evicts whole turns: what the inner policy evicts is widened to the right, to where the next turn begins, so that no half of a turn
 * stays behind.
 *
 * Where no turn begins to the right, the eviction reaches into the turn that is going on. It is then cut back to where that begins, if
 * enough leaves all the same; else the turn is larger than the room that it has: the inner plan stands as it is, and the event's
 * `note` says so. What is left of such a turn has no beginning any more: with no other in the cache, it goes like text without turns.
 *
 * What the inner policy keeps in front of what it evicts, its sinks say, or in between, is kept, also where that is a part of a turn.
 * Pinned cells are never added.
 *
 * Without marks it is the inner policy, to the cell. Around pins, `pinned` goes outside: `pinned(turnAligned(sinkWindow()))`.
 *
 * @throws {KVPolicyError} `config` when `inner` is no policy, or the name of the mark is empty or `pinned`.
 * @example
 * ```ts
 * await using chat = await openChat(model, { policy: pinned(turnAligned(sinkWindow())), systemPrompt, budget: 2048 });
 * ```
 */
export function turnAligned(
  inner: KVCachePolicy,
  { mark = TURN_MARK }: TurnAlignedOptions = {},
): KVCachePolicy {
  checkPolicy("turn-aligned", inner);
  if (mark === "" || mark === PINNED_MARK) {
    throw new KVPolicyError({
      code: "config",
      message: `turn-aligned: mark must be a name, and not ${PINNED_MARK}; it is "${mark}".`,
      details: { option: "mark", value: mark },
    });
  }
  return definePolicy({
    name: "turn-aligned",
    ...(inner.budget !== undefined && { budget: inner.budget }),
    requires: inner.requires,
    checkBudget: (budget) => inner.checkBudget?.(budget),
    plan: (view) => {
      const plan = inner.plan(view);
      const starts = startsOf(view, mark);
      const end = plan?.evict.at(-1)?.end;
      if (!plan || end === undefined || starts.length === 0) return plan;
      const next = starts.find((start) => start >= end);
      if (next !== undefined) return { ...plan, evict: widen(plan.evict, { start: end, end: next }, view) };
      const cut = cutBack(plan.evict, starts);
      return countCells(cut) >= view.required ? { ...plan, evict: cut } : noteCut(plan);
    },
    describe: (budget) => ({
      name: "turn-aligned",
      shape: "opaque",
      options: { mark },
      inner: inner.describe(budget),
    }),
  });
}

/** Where turns begin, ascending. */
function startsOf({ marks }: CacheView, mark: string): number[] {
  const starts = marks.filter(({ name }) => name === mark).map(({ start }) => start);
  return starts.sort((one, other) => one - other);
}

/** The ranges and what is added, pinned cells excepted. */
function widen(ranges: readonly CacheRange[], added: CacheRange, { marks }: CacheView): CacheRange[] {
  const pins = marks.filter(({ name }) => name === PINNED_MARK);
  return mergeRanges([...ranges, ...(added.start < added.end ? subtractRanges([added], pins) : [])]);
}

/** The ranges without their part of the turn that is going on. */
function cutBack(ranges: readonly CacheRange[], starts: readonly number[]): CacheRange[] {
  const last = starts.at(-1) ?? Infinity;
  return ranges.flatMap(({ start, end }) => (start < last ? [{ start, end: Math.min(end, last) }] : []));
}

/** The plan as it is, and why. */
function noteCut({ note, ...plan }: EvictionPlan): EvictionPlan {
  const own = "turn-aligned: the turn that is going on is larger than its room, and was cut";
  return { ...plan, note: note === undefined ? own : `${note}; ${own}` };
}
