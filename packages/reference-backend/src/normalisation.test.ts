import fc from "fast-check";
import { expect, test } from "vitest";

import { normalise, type Normalisation } from "./normalisation.js";

const ones = Float32Array.of(1, 1, 1, 1);
const rows = fc.float64Array({ minLength: 8, maxLength: 8, noNaN: true, min: -100, max: 100 });

function plain(kind: Normalisation["kind"]): Normalisation {
  return { kind, epsilon: 1e-5, weights: ones, biases: undefined };
}

test("the root mean square becomes one, the mean stays", () => {
  const [a, b] = [3, 4];
  const result = normalise(plain("root-mean-square"), Float64Array.of(a, b, -a, -b), 1);
  const scale = 1 / Math.sqrt((2 * (a * a + b * b)) / 4 + 1e-5);
  expect([...result]).toEqual([a * scale, b * scale, -a * scale, -b * scale]);
});

test("layer normalisation forgets an offset, the root mean square does not", () => {
  fc.assert(
    fc.property(rows, fc.double({ min: 1, max: 50, noNaN: true }), (input, offset) => {
      fc.pre(
        [input.subarray(0, 4), input.subarray(4)].every((row) => Math.max(...row) - Math.min(...row) > 1),
      );
      const moved = input.map((value) => value + offset);
      const difference = (kind: Normalisation["kind"]): number => {
        const before = normalise(plain(kind), input, 2);
        return Math.max(
          ...normalise(plain(kind), moved, 2).map((value, index) => Math.abs(value - before[index]!)),
        );
      };
      expect(difference("layer")).toBeLessThan(1e-9);
      expect(difference("root-mean-square")).toBeGreaterThan(1e-6);
    }),
  );
});

test("weights and biases come last, and rows do not mix", () => {
  const normalisation: Normalisation = {
    kind: "layer",
    epsilon: 0,
    weights: Float32Array.of(2, 4),
    biases: Float32Array.of(0.5, -0.5),
  };
  expect([...normalise(normalisation, Float64Array.of(1, 3, 50, 10), 2)]).toEqual([-1.5, 3.5, 2.5, -4.5]);
});
