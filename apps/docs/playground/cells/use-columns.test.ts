import { expect, test } from "vitest";

import { columnsFor } from "./use-columns.js";

test.each([
  [16, 1000, 16],
  [16, 800, 8],
  [16, 330, 4],
  [17, 800, 9],
  [64, 800, 11],
  [16, 0, 1],
])("%i cells in %i pixels stand in %i columns", (cells, width, columns) => {
  expect(columnsFor(cells, width, 62)).toBe(columns);
});
