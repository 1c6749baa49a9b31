/** The grid in which cells stand. */
export interface CellLattice {
  readonly columns: number;
  /** Pixels from one cell to the next in a row. */
  readonly across: number;
  /** Pixels from one row to the next. */
  readonly down: number;
}

/** Where a cell comes from, in pixels from where it is; `undefined` for one that is new. */
export type CellMove = { readonly x: number; readonly y: number } | undefined;

/**
 * How cells move from one frame to another: computed and not measured, so that the page is laid out once a step. Both frames are
 * stream positions by in-cache position.
 */
export function cellMoves(
  before: readonly number[],
  now: readonly number[],
  { columns, across, down }: CellLattice,
): CellMove[] {
  const indexBefore = new Map(before.map((position, index) => [position, index]));
  return now.map((position, index) => {
    const from = indexBefore.get(position);
    if (from === undefined) return undefined;
    const rows = Math.floor(from / columns) - Math.floor(index / columns);
    return { x: ((from % columns) - (index % columns)) * across, y: rows * down };
  });
}
