import { describe, expect, it } from "vitest";

import {
  formatCount,
  formatDuration,
  formatInterval,
  formatMebibytes,
  formatNumber,
  formatTimes,
} from "./numbers.js";

describe("formatNumber", () => {
  it("has as many digits as it is told, after rounding", () => {
    expect([9.94, 9.96, 0.0996, 99.96, 999.6].map((value) => formatNumber(value))).toEqual([
      "9.94",
      "9.96",
      "0.0996",
      "100",
      "1,000",
    ]);
    expect([9.999, 9.5, 0.996, -9.999].map((value) => formatNumber(value, 2))).toEqual([
      "10",
      "9.5",
      "1.0",
      "-10",
    ]);
    expect(formatNumber(2.9999999999999996, 1)).toBe("3");
  });

  it("rounds what is very small to six decimals, and writes what is very large as a power", () => {
    expect([0, 0.00000012, 123_456_789, 1.234e12].map((value) => formatNumber(value))).toEqual([
      "0.00",
      "0.000000",
      "123,456,789",
      "1.23e+12",
    ]);
  });
});

describe("other numbers", () => {
  it("are words and signs around them", () => {
    expect(formatCount(1234.5)).toBe("1,235");
    expect([formatMebibytes(3 * 2 ** 20), formatMebibytes(null)]).toEqual(["3.00", "–"]);
    expect([formatTimes(8.123), formatTimes(null)]).toEqual(["8.12×", "–"]);
    expect([formatInterval({ lower: 1.827, upper: 10.96 }), formatInterval(null)]).toEqual([
      "1.83 … 11.0",
      "–",
    ]);
    expect([59_499, 59_500, 3_599_499, 3_600_000, -5, NaN].map(formatDuration)).toEqual([
      "59 s",
      "1 min 0 s",
      "59 min 59 s",
      "1 h 0 min",
      "0 s",
      "–",
    ]);
  });
});
