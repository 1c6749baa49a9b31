import type { CacheRange } from "@kvpolicy/core";
import fc from "fast-check";

import type { History } from "./history.js";

/** A step that fits whatever the cache holds when its turn comes. */
export type Step =
  | { readonly kind: "decode"; readonly percent: number; readonly scored: boolean }
  | { readonly kind: "evict"; readonly gaps: readonly (readonly [kept: number, evicted: number])[] }
  | { readonly kind: "truncate"; readonly percent: number }
  | { readonly kind: "clear" };

const percents = fc.integer({ min: 1, max: 100 });

/** Random steps, mostly decodes and evictions of several ranges. */
export const randomSteps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("decode" as const),
      percent: percents,
      scored: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("evict" as const),
      gaps: fc.array(fc.tuple(fc.nat(6), fc.integer({ min: 1, max: 8 })), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("truncate" as const), percent: percents }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const) }) },
);

/** Does what a step means for a cache of `capacity` cells; nothing when it fits no cell, or the backend cannot do it. */
export async function takeStep(history: History, step: Step, capacity: number): Promise<void> {
  const { backend, length } = history;
  const { reindex, truncate } = backend.capabilities;
  switch (step.kind) {
    case "decode": {
      const count = Math.ceil(((capacity - length) * step.percent) / 100);
      if (count > 0) await history.decode(count, step);
      break;
    }
    case "evict": {
      const ranges = rangesOf(step.gaps, length);
      if (reindex === true && ranges.length > 0) await backend.evict(ranges);
      break;
    }
    case "truncate":
      if (truncate === true && length > 0) await backend.truncate(Math.ceil((length * step.percent) / 100));
      break;
    case "clear":
      await backend.clear();
  }
}

function rangesOf(gaps: readonly (readonly [kept: number, evicted: number])[], length: number): CacheRange[] {
  const ranges: CacheRange[] = [];
  let end = 0;
  for (const [kept, evicted] of gaps) {
    const start = end + kept;
    end = Math.min(length, start + evicted);
    if (start < end) ranges.push({ start, end });
  }
  return ranges;
}
