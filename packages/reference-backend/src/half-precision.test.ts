import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { getHalfTable, halfToSingle, roundToHalf } from "./half-precision.js";

const LARGEST = 65504;
const SMALLEST_NORMAL = 2 ** -14;
const SMALLEST = 2 ** -24;

describe("halfToSingle", () => {
  test.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, SMALLEST],
    [0x03ff, 1023 * SMALLEST],
    [0x0400, SMALLEST_NORMAL],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0x3c01, 1 + 2 ** -10],
    [0xc000, -2],
    [0x7bff, LARGEST],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
    [0x7e00, NaN],
  ])("0x%s", (bits, value) => {
    expect(halfToSingle(bits)).toBe(value);
    expect(getHalfTable()[bits]).toBe(value);
  });

  test("knows every pattern, and builds its table once", () => {
    expect(getHalfTable()).toHaveLength(0x10000);
    expect(getHalfTable()).toBe(getHalfTable());
  });
});

describe("roundToHalf", () => {
  test("leaves the value of every pattern as it is", () => {
    const changed = getHalfTable().findIndex((value) => !Object.is(roundToHalf(value), value));
    expect(changed).toBe(-1);
  });

  test.each([
    ["a half goes to the even neighbour below", 1 + 2 ** -11, 1],
    ["a half goes to the even neighbour above", 1 + 3 * 2 ** -11, 1 + 2 ** -9],
    ["a little more than a half goes up", 1 + 2 ** -11 + 2 ** -40, 1 + 2 ** -10],
    ["a carry reaches the exponent", 2 - 2 ** -12, 2],
    ["the last that stays finite", 65519.99, LARGEST],
    ["the first that overflows", 65520, Infinity],
    ["the same below zero", -65520, -Infinity],
    ["a number beyond F32", 1e300, Infinity],
    ["half of the smallest", SMALLEST / 2, 0],
    ["a little more than that", SMALLEST * 0.50001, SMALLEST],
    ["one and a half of the smallest", SMALLEST * 1.5, 2 * SMALLEST],
    ["from subnormal to normal", SMALLEST_NORMAL - SMALLEST / 4, SMALLEST_NORMAL],
    ["a negative zero", -0, -0],
    ["too small, below zero", -1e-30, -0],
    ["no number", NaN, NaN],
    ["infinity", -Infinity, -Infinity],
  ])("%s", (_, value, expected) => {
    expect(roundToHalf(value)).toBe(expected);
  });

  test("gives the nearest of all F16 values, and the even one of two", () => {
    // The patterns of the finite values from zero up are in the order of their values.
    const positive = getHalfTable().subarray(0, 0x7c00);
    const nearest = (value: number): number => {
      let low = 0;
      let high = positive.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (positive[middle]! <= value) low = middle;
        else high = middle - 1;
      }
      const below = positive[low]!;
      const above = positive[low + 1] ?? 2 ** 16;
      const isUp = value - below > above - value || (value - below === above - value && low % 2 === 1);
      return isUp ? (above > LARGEST ? Infinity : above) : below;
    };
    const magnitude = fc.oneof(
      fc.double({ min: 0, max: 70_000, noNaN: true }),
      fc.double({ min: 0, max: 2 ** -13, noNaN: true }),
      fc.integer({ min: 0, max: 2 * 0x7bff }).map((index) => {
        const below = positive[index >> 1]!;
        return index % 2 === 0 ? below : (below + (positive[(index >> 1) + 1] ?? 65536)) / 2;
      }),
    );
    fc.assert(
      fc.property(magnitude, fc.boolean(), (value, isNegative) => {
        const sign = isNegative ? -1 : 1;
        expect(roundToHalf(sign * value)).toBe(sign * nearest(value));
      }),
      { numRuns: 5000 },
    );
  });
});
