import type { Capability } from "./backend.js";
import { PINNED_MARK } from "./mark.js";
import type { CacheView } from "./policy.js";

/**
 * What is wrong with a plan, in words, or `undefined`. Takes `unknown` because policies may come from plain JavaScript.
 */
export function findPlanProblem(plan: unknown, view: CacheView, reindex: Capability): string | undefined {
  if (typeof plan !== "object" || plan === null) return "a plan is an object or null";
  const { evict, survivors, note } = plan as { evict?: unknown; survivors?: unknown; note?: unknown };
  if (survivors !== "reuse" && survivors !== "recompute")
    return `survivors must be "reuse" or "recompute", not ${String(survivors)}`;
  if (survivors === "reuse" && reindex !== true)
    return `it reuses the survivors, which takes "reindex", and the backend lacks that: ${reindex}`;
  if (!Array.isArray(evict)) return "evict must be an array of ranges";
  if (note !== undefined && typeof note !== "string") return `note must be text, not ${typeof note}`;

  const pins = view.marks.filter(({ name }) => name === PINNED_MARK);
  let previousEnd = 0;
  let freed = 0;
  for (const range of evict as unknown[]) {
    if (typeof range !== "object" || range === null) return "evict must be an array of ranges";
    const { start, end } = range as { start?: unknown; end?: unknown };
    const text = `[${String(start)}, ${String(end)})`;
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end))
      return `the bounds of ${text} must be whole numbers`;
    const [first, last] = [start as number, end as number];
    if (first >= last) return `${text} is empty`;
    if (first < 0 || last > view.length) return `${text} lies outside the ${view.length} cells in use`;
    if (first < previousEnd) return `${text} overlaps the range before it, or the ranges are not sorted`;
    const pin = pins.find((mark) => mark.start < last && first < mark.end);
    if (pin) return `${text} touches the pinned cells [${pin.start}, ${pin.end})`;
    previousEnd = last;
    freed += last - first;
  }
  return freed < view.required ? `it frees ${freed} cells where ${view.required} must be freed` : undefined;
}
