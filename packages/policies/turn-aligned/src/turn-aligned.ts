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
 * Where no turn begins to the right, the range reaches into the turn that is going on. It is then cut back to where that begins, if
 * enough leaves all the same; else the turn is larger than the room that it has, and the inner policy's range stands as it is. What
 * the inner policy keeps in front (its sinks) is kept, also where that is a part of a turn. Pinned cells are never added.
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
      if (!plan || starts.length === 0) return plan;
      const pins = view.marks.filter(({ name }) => name === PINNED_MARK);
      const widened = plan.evict.flatMap((range, index) =>
        widen(range, starts, plan.evict[index + 1]?.start ?? view.length, pins),
      );
      const cut = cutBack(widened, starts);
      return { ...plan, evict: countCells(cut) >= view.required ? cut : widened };
    },
    describe: () => ({
      name: "turn-aligned",
      shape: "opaque",
      options: { mark },
      inner: inner.describe(),
    }),
  });
}

/** Where turns begin, ascending. */
function startsOf({ marks }: CacheView, mark: string): number[] {
  const starts = marks.filter(({ name }) => name === mark).map(({ start }) => start);
  return starts.sort((one, other) => one - other);
}

/** The range, and what follows it up to the next turn, or to the range behind it. Pinned cells stay out of what is added. */
function widen(
  { start, end }: CacheRange,
  starts: readonly number[],
  limit: number,
  pins: readonly CacheRange[],
): CacheRange[] {
  const next = starts.find((turn) => turn >= end) ?? end;
  const added = subtractRanges([{ start: end, end: Math.min(next, limit) }], pins);
  return mergeRanges([{ start, end }, ...added]);
}

/** The ranges without their part of the turn that is going on. */
function cutBack(ranges: readonly CacheRange[], starts: readonly number[]): CacheRange[] {
  const last = starts.at(-1) ?? Infinity;
  return ranges.flatMap(({ start, end }) => (start < last ? [{ start, end: Math.min(end, last) }] : []));
}
