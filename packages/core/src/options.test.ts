import { describe, expect, test } from "vitest";
import { checkCount, checkStride, resolveStride, type Stride } from "./options.js";

describe("checkCount", () => {
  test("answers the value", () => {
    expect(checkCount("window", "window", 3, 1)).toBe(3);
  });

  test.each([0, -1, 1.5, NaN, Infinity, 2 ** 53])("refuses %d where at least 1 is needed", (value) => {
    expect(() => checkCount("window", "window", value, 1)).toThrow(
      expect.objectContaining({
        code: "config",
        details: { option: "window", value },
        message: `window: window must be a whole number of at least 1, not ${value}.`,
      }) as Error,
    );
  });
});

describe("checkStride", () => {
  test.each<[Stride | undefined, number | undefined]>([
    [undefined, 1],
    ["half", 1],
    [1, 1],
    [8, 8],
    [900, undefined],
  ])("lets %s of %s pass", (stride, window) => {
    expect(() => {
      checkStride("window", stride, window);
    }).not.toThrow();
  });

  test.each<[Stride, number | undefined]>([
    [0, 8],
    [1.5, 8],
    [9, 8],
    [-1, undefined],
    ["third" as "half", 8],
  ])("refuses %s of %s", (stride, window) => {
    expect(() => {
      checkStride("window", stride, window);
    }).toThrow(
      expect.objectContaining({ code: "config", details: { option: "stride", value: stride } }) as Error,
    );
  });
});

describe("resolveStride", () => {
  test.each<[Stride | undefined, number, number]>([
    [undefined, 1024, 64],
    [undefined, 24, 2],
    [undefined, 8, 1],
    [undefined, 1, 1],
    ["half", 9, 4],
    ["half", 1, 1],
    [3, 8, 3],
    [9, 8, 8],
  ])("%s of %i cells is %i", (stride, window, cells) => {
    expect(resolveStride(stride, window)).toBe(cells);
  });
});
