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
