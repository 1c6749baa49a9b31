import fc from "fast-check";
import { expect, test } from "vitest";

import { gelu, geluOfTable, silu } from "./activation.js";

test("SiLU and GELU at known points", () => {
  expect(silu(0)).toBe(0);
  expect(silu(1)).toBeCloseTo(0.7310585786300049, 12);
  expect(silu(-2)).toBeCloseTo(-0.2384058440442351, 12);
  expect(gelu(0)).toBe(0);
  expect(gelu(1)).toBeCloseTo(0.8411919906082768, 12);
  expect(gelu(-1)).toBeCloseTo(-0.15880800939172324, 12);
});

test("the table rounds to F16 both ways, and leaves the far ends alone", () => {
  fc.assert(
    fc.property(fc.double({ min: -9.9, max: 9.9, noNaN: true }), (value) => {
      const spacing = 2 ** -10 * Math.max(1, Math.abs(value));
      expect(Math.abs(geluOfTable(value) - gelu(value))).toBeLessThan(2 * spacing);
    }),
  );
  expect(geluOfTable(1 + 2 ** -13)).toBe(geluOfTable(1));
  expect(geluOfTable(-10)).toBe(0);
  expect(geluOfTable(10.00001)).toBe(10.00001);
});
