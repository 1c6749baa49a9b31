/**
 * A range: `start` included, `end` excluded. In plans and events it counts cache indices (0 is the oldest cell); in
 * `CacheStream.mark`, stream positions. The same shape as node-llama-cpp's `ContextTokensDeleteRange`.
 */
export interface CacheRange {
  /** First of the range. */
  readonly start: number;
  /** One past the last of the range. */
  readonly end: number;
}

/** Number of cells in sorted, disjoint ranges. */
export function countCells(ranges: readonly CacheRange[]): number {
  return ranges.reduce((cells, { start, end }) => cells + end - start, 0);
}

/** The same cells in sorted ranges that do not touch. */
export function mergeRanges(ranges: readonly CacheRange[]): CacheRange[] {
  const merged: { start: number; end: number }[] = [];
  for (const { start, end } of [...ranges].sort((one, other) => one.start - other.start)) {
    const last = merged.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** The cells of sorted ranges that lie outside others, in sorted ranges. */
export function subtractRanges(ranges: readonly CacheRange[], others: readonly CacheRange[]): CacheRange[] {
  const merged = mergeRanges(others);
  return ranges.flatMap(({ start, end }) => {
    const pieces: CacheRange[] = [];
    let from = start;
    for (const other of merged) {
      if (other.start >= end) break;
      if (other.start > from) pieces.push({ start: from, end: other.start });
      from = Math.max(from, other.end);
    }
    if (from < end) pieces.push({ start: from, end });
    return pieces;
  });
}
