import fc from "fast-check";
import { expect, test } from "vitest";

import { softmax } from "./attention.js";

const scores = fc.float64Array({ minLength: 1, maxLength: 20, noNaN: true, min: -500, max: 500 });

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

test("softmax sums to one and keeps the ratios", () => {
  fc.assert(
    fc.property(scores, (input) => {
      const result = input.slice();
      softmax(result);
      expect(sumOf(result)).toBeCloseTo(1, 10);
      const close = Float64Array.of(input[0]!, input[0]! + 1);
      softmax(close);
      expect(close[1]! / close[0]!).toBeCloseTo(Math.E, 9);
    }),
  );
});

test("a sink logit of 0 is SoftMax-off-by-one: e^x / (1 + Σ e^x)", () => {
  fc.assert(
    fc.property(fc.float64Array({ minLength: 1, maxLength: 9, noNaN: true, min: -20, max: 20 }), (input) => {
      const result = input.slice();
      softmax(result, 0);
      const denominator = 1 + sumOf(input.map(Math.exp));
      result.forEach((value, index) => {
        expect(value).toBeCloseTo(Math.exp(input[index]!) / denominator, 10);
      });
    }),
  );
});

test("scores far below a sink logit get nothing", () => {
  const result = Float64Array.of(-1000, -1000);
  softmax(result, 1000);
  expect([...result]).toEqual([0, 0]);
});
