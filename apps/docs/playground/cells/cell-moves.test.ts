import { expect, test } from "vitest";

import { cellMoves } from "./cell-moves.js";

const LATTICE = { columns: 3, across: 10, down: 20 };

test("a cell that moves up comes from the right, and from the left of the row below at a turn", () => {
  expect(cellMoves([0, 1, 2, 3, 4, 5], [0, 2, 3, 4, 5, 6], LATTICE)).toEqual([
    { x: 0, y: 0 },
    { x: 10, y: 0 },
    { x: -20, y: 20 },
    { x: 10, y: 0 },
    { x: 10, y: 0 },
    undefined,
  ]);
});
