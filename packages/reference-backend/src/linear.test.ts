import fc from "fast-check";
import { expect, test } from "vitest";

import { applyLinear, type Linear } from "./linear.js";

const linear: Linear = {
  weights: Float32Array.of(1, 2, 3, -1, 0.5, 4),
  biases: Float32Array.of(10, 20),
  inputs: 3,
  outputs: 2,
};

test("each output is a weighted sum and its bias", () => {
  expect([...applyLinear(linear, Float64Array.of(1, 10, 100), 1)]).toEqual([331, 424]);
  expect([...applyLinear({ ...linear, biases: undefined }, Float64Array.of(1, 10, 100), 1)]).toEqual([
    321, 404,
  ]);
});

test("a block gives exactly what its rows give one by one", () => {
  fc.assert(
    fc.property(
      fc
        .integer({ min: 1, max: 13 })
        .chain((rows) =>
          fc.tuple(
            fc.constant(rows),
            fc.float64Array({ minLength: 3 * rows, maxLength: 3 * rows, noNaN: true, min: -1e3, max: 1e3 }),
          ),
        ),
      ([rows, input]) => {
        const single = Array.from({ length: rows }, (_, row) => [
          ...applyLinear(linear, input.subarray(row * 3, (row + 1) * 3), 1),
        ]);
        expect([...applyLinear(linear, input, rows)]).toEqual(single.flat());
      },
    ),
  );
});
