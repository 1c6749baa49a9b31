import { expect, it } from "vitest";

import { NORMAL_QUANTILE, studentQuantile } from "./student.js";

it.each([
  [1, 12.7062],
  [2, 4.30265],
  [3, 3.18245],
  [4, 2.77645],
  [5, 2.57058],
  [10, 2.22814],
  [29, 2.04523],
  [30, 2.04227],
  [63, 1.99834],
  [120, 1.97993],
])("is the table's value at %i degrees of freedom", (degrees, quantile) => {
  expect(studentQuantile(degrees)).toBeCloseTo(quantile, 4);
});

it("falls to the normal distribution's with the degrees, odd or even", () => {
  const quantiles = Array.from({ length: 300 }, (_, index) => studentQuantile(index + 1));
  quantiles.slice(1).forEach((quantile, index) => {
    expect(quantile).toBeLessThan(quantiles[index]!);
  });
  expect(studentQuantile(100_000) - NORMAL_QUANTILE).toBeCloseTo(
    (NORMAL_QUANTILE ** 3 + NORMAL_QUANTILE) / 400_000,
    8,
  );
});
