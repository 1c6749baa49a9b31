import { expect, it } from "vitest";

import { AttentionHistory, KEPT_QUERIES } from "./attention-history.js";

/** A row whose first cell gets `share`, as long as it is told. */
function row(share: number, cells = 2): Float64Array {
  return Float64Array.from({ length: cells }, (_, cell) => (cell === 0 ? share : (1 - share) / (cells - 1)));
}

it("keeps the newest of what was decoded: what came before are survivors", () => {
  const history = new AttentionHistory(1, 1);
  history.observe({ layer: 0, firstCell: 0, probabilities: [[row(0.1), row(0.2)]] });
  history.observe({ layer: 0, firstCell: 2, probabilities: [[row(0.5), row(0.75)]] });
  history.keep(2);
  const { values, queries, columns } = history.picture(0, 0);
  expect({ queries, columns }).toEqual({ queries: 2, columns: 2 });
  expect([...values]).toEqual([0.5, 0.5, 0.75, 0.25]);
});

it("forgets the oldest queries", () => {
  const history = new AttentionHistory(1, 1);
  for (let token = 0; token <= KEPT_QUERIES; token += 1) {
    history.observe({ layer: 0, firstCell: 0, probabilities: [[row(token === 0 ? 1 : 0.5)]] });
    history.keep(1);
  }
  const { values, queries, shares } = history.picture(0, 0);
  expect(queries).toBe(KEPT_QUERIES);
  expect(values[0]).toBe(0.5);
  expect(shares).toEqual([[0.5]]);
});

it("answers the mean share of the first cell for every layer and head", () => {
  const history = new AttentionHistory(2, 2);
  history.observe({
    layer: 0,
    firstCell: 0,
    probabilities: [
      [row(0.25), row(0.75)],
      [row(0), row(1)],
    ],
  });
  history.observe({
    layer: 1,
    firstCell: 0,
    probabilities: [
      [row(1), row(1)],
      [row(0), row(0)],
    ],
  });
  history.keep(2);
  expect(history.picture(1, 0).shares).toEqual([
    [0.5, 0.5],
    [1, 0],
  ]);
});

it("puts several cells into a column where there are many, and shows the most of them", () => {
  const history = new AttentionHistory(1, 1);
  const cells = new Float64Array(600);
  cells[0] = 0.5;
  cells[599] = 0.25;
  cells[598] = 0.125;
  history.observe({ layer: 0, firstCell: 0, probabilities: [[cells]] });
  history.keep(1);
  const { values, columns, cellsPerColumn } = history.picture(0, 0);
  expect({ columns, cellsPerColumn }).toEqual({ columns: 200, cellsPerColumn: 3 });
  expect(values[0]).toBe(0.5);
  expect(values[199]).toBe(0.25);
});
