import { checkCount, definePolicy, KVPolicyError, type CacheRange, type KVCachePolicy } from "@kvpolicy/core";

/** Options of {@link anchors}. */
export interface AnchorsOptions {
  /** Stream positions of the tokens that stay, in any order. */
  readonly positions: readonly number[];
  /** Cells freed by one eviction. Defaults to 1. */
  readonly stride?: number | undefined;
}

/**
 * A control, not for use: the tokens at some stream positions stay, with a window of recent ones. With positions drawn at
 * random behind the first tokens it answers whether *any* kept tokens help as attention sinks do, or the first ones alone.
 *
 * Kept: the anchors, once they were read, and the most recent tokens. Lost: the rest, the first tokens too unless they are
 * anchors. Anchors 0 … k − 1 are `sinkWindow({ sinks: k })`.
 *
 * @throws {KVPolicyError} `config` for a position or a stride that is not a whole number, or a position that stands there twice.
 */
export function anchors({ positions, stride = 1 }: AnchorsOptions): KVCachePolicy {
  checkCount("anchors", "stride", stride, 1);
  for (const position of positions) checkCount("anchors", "each of positions", position, 0);
  const kept = new Set(positions);
  if (kept.size < positions.length) {
    throw new KVPolicyError({
      code: "config",
      message: `anchors: a position stands twice in ${positions.join(", ")}.`,
      details: { option: "positions", value: [...positions] },
    });
  }
  return definePolicy({
    name: "anchors",
    requires: ["reindex"],
    checkBudget: (budget) =>
      kept.size + stride > budget
        ? `${kept.size} anchors and a stride of ${stride} leave no room among ${budget} cells`
        : undefined,
    plan: ({ length, required, streamPosition }) => {
      const wanted = Math.max(required, stride);
      const evict: CacheRange[] = [];
      let freed = 0;
      for (let index = 0; index < length && freed < wanted; index += 1) {
        if (kept.has(streamPosition(index))) continue;
        const last = evict.at(-1);
        if (last?.end === index) evict[evict.length - 1] = { start: last.start, end: index + 1 };
        else evict.push({ start: index, end: index + 1 });
        freed += 1;
      }
      return freed < wanted ? null : { evict, survivors: "reuse" };
    },
    describe: () => ({
      name: "anchors",
      shape: "opaque",
      options: { positions: positions.join(" "), stride },
    }),
  });
}
