import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { Rotary, type RotaryPairing } from "./rotary.js";

const HEAD = 8;
const vector = fc.float64Array({ minLength: HEAD, maxLength: HEAD, noNaN: true, min: -10, max: 10 });
const position = fc.nat(4000);

function rotated(rotary: Rotary, values: Float64Array, at: number): Float64Array {
  const copy = values.slice();
  rotary.rotate(copy, HEAD, at);
  return copy;
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, index) => sum + value * b[index]!, 0);
}

describe.each<RotaryPairing>(["interleaved", "halves"])("pairs %s", (pairing) => {
  const rotary = new Rotary({ pairing, dimensions: HEAD, base: 100 });

  test("the product of a query and a key depends on their distance alone", () => {
    fc.assert(
      fc.property(vector, vector, position, position, fc.nat(4000), (query, key, first, second, moved) => {
        const here = dot(rotated(rotary, query, first), rotated(rotary, key, second));
        const there = dot(rotated(rotary, query, first + moved), rotated(rotary, key, second + moved));
        expect(Math.abs(here - there)).toBeLessThan(1e-8);
      }),
    );
  });

  test("rotating keeps the length, and position 0 changes nothing", () => {
    fc.assert(
      fc.property(vector, position, (values, at) => {
        expect(dot(rotated(rotary, values, at), rotated(rotary, values, at))).toBeCloseTo(
          dot(values, values),
          8,
        );
        expect(rotated(rotary, values, 0).every((value, index) => value === values[index])).toBe(true);
      }),
    );
  });
});

test.each([5, 0, 2.5, NaN])("%d dimensions cannot be rotated", (dimensions) => {
  expect(() => new Rotary({ pairing: "halves", dimensions, base: 10 })).toThrow(
    expect.objectContaining({ code: "config", details: { option: "dimensions", value: dimensions } }),
  );
});

test("angles fall with the pair by powers of the base", () => {
  const { frequencies } = new Rotary({ pairing: "halves", dimensions: 6, base: 1000 });
  [1, 0.1, 0.01].forEach((angle, pair) => {
    expect(frequencies[pair]).toBeCloseTo(angle, 12);
  });
});

test("a scale stretches every angle, factors divide them one by one", () => {
  const options = { pairing: "halves", dimensions: 4, base: 100 } as const;
  expect([...new Rotary({ ...options, scale: 0.25 }).frequencies]).toEqual([0.25, 0.025]);
  expect([...new Rotary({ ...options, factors: Float32Array.of(1, 8) }).frequencies]).toEqual([1, 0.0125]);
});

test("a quarter turn goes from the first of a pair to the second", () => {
  const quarter = { dimensions: 2, base: 1, scale: Math.PI / 2 } as const;
  const interleaved = Float64Array.of(1, 0, 7, 7);
  new Rotary({ ...quarter, pairing: "interleaved" }).rotate(interleaved, 4, 1);
  expect(interleaved[0]).toBeCloseTo(0, 12);
  expect([...interleaved.subarray(1)]).toEqual([1, 7, 7]);
});

test("which dimensions form a pair", () => {
  const pairsOf = (pairing: RotaryPairing): unknown => new Rotary({ pairing, dimensions: 6, base: 10 }).pairs;
  expect(pairsOf("interleaved")).toEqual([
    [0, 1],
    [2, 3],
    [4, 5],
  ]);
  expect(pairsOf("halves")).toEqual([
    [0, 3],
    [1, 4],
    [2, 5],
  ]);
});

test("every head is rotated alike, and dimensions beyond the rotated ones pass", () => {
  const rotary = new Rotary({ pairing: "halves", dimensions: 2, base: 10 });
  const heads = Float64Array.of(1, 2, 3, 4, 1, 2, 3, 4);
  rotary.rotate(heads, 4, 5);
  expect([...heads.subarray(2, 4)]).toEqual([3, 4]);
  expect([...heads.subarray(4)]).toEqual([...heads.subarray(0, 4)]);
  expect(heads[0]).toBeCloseTo(Math.cos(5) - 2 * Math.sin(5), 12);
});
