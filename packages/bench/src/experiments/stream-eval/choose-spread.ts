import type { RecordQuery } from "./write-record.js";

/**
 * So many of the queries: shared out over the distances, and spread evenly over the record within each. Taken evenly from all of them,
 * they could be of one distance alone, as the distances take turns. What a distance has too few queries for is the others'.
 */
export function chooseSpread(queries: readonly RecordQuery[], count: number): ReadonlySet<RecordQuery> {
  const groups = [...new Set(queries.map(({ distance }) => distance))]
    .map((wanted) => queries.filter(({ distance }) => distance === wanted))
    // The smallest first, so that what it leaves is shared out over the rest.
    .sort((one, other) => one.length - other.length);
  const chosen = new Set<RecordQuery>();
  for (const [index, group] of groups.entries()) {
    const share = Math.floor((count - chosen.size) / (groups.length - index));
    for (const query of spread(group, share)) chosen.add(query);
  }
  return chosen;
}

/** So many of the items, or all, spread evenly. */
function spread<Item>(items: readonly Item[], count: number): readonly Item[] {
  const chosen = Math.min(count, items.length);
  const until = (index: number): number => Math.floor((index * chosen) / items.length);
  return items.filter((_, index) => until(index + 1) > until(index));
}
