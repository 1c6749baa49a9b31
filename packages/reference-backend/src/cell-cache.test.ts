import fc from "fast-check";
import { expect, test } from "vitest";

import { CellCache } from "./cell-cache.js";

const WIDTH = 2;
const LAYERS = 3;

/** Puts one cell in, with numbers that say which it is and in which layer. */
function append(cache: CellCache, id: number): void {
  for (let layer = 0; layer < LAYERS; layer += 1) {
    cache.write(layer, Float64Array.of(id, layer), Float64Array.of(-id, -layer));
  }
  cache.length += 1;
}

test("removing cells closes the gaps in every layer, keys and values alike", () => {
  const operation = fc.oneof(
    fc.record({ append: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ keep: fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }) }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 20 }), (operations) => {
      const cache = new CellCache(LAYERS, WIDTH);
      let expected: number[] = [];
      let next = 1;
      for (const step of operations) {
        if ("append" in step) {
          for (let count = 0; count < step.append; count += 1, next += 1) {
            append(cache, next);
            expected.push(next);
          }
        } else {
          const leaves = expected.flatMap((_, index) => (step.keep[index % 40] ? [] : [index]));
          cache.remove(leaves.map((index) => ({ start: index, end: index + 1 })));
          expected = expected.filter((_, index) => !leaves.includes(index));
        }
        expect(cache.length).toBe(expected.length);
        cache.layers.forEach(({ keys, values }, layer) => {
          expect([...keys.subarray(0, cache.length * WIDTH)]).toEqual(expected.flatMap((id) => [id, layer]));
          expect([...values.subarray(0, cache.length * WIDTH)]).toEqual(
            expected.flatMap((id) => [-id, -layer]),
          );
        });
      }
    }),
  );
});

test("the position of a cell is its index", () => {
  const cache = new CellCache(1, 1);
  expect([0, 1, 17].map((index) => cache.position(index))).toEqual([0, 1, 17]);
});
