/**
 * A run of cells: `start` included, `end` excluded, in cache indices (0 is the oldest cell).
 * The same shape as node-llama-cpp's `ContextTokensDeleteRange`.
 */
export interface CacheRange {
  /** First cell of the run. */
  readonly start: number;
  /** One past the last cell of the run. */
  readonly end: number;
}

/** Number of cells in sorted, disjoint ranges. */
export function countCells(ranges: readonly CacheRange[]): number {
  return ranges.reduce((cells, { start, end }) => cells + end - start, 0);
}
