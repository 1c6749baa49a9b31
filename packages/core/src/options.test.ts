import { describe, expect, test } from "vitest";
import {
  checkCount,
  checkPolicy,
  checkStride,
  findWindowProblem,
  resolveStride,
  type Stride,
} from "./options.js";
import { definePolicy, type KVCachePolicy } from "./policy.js";

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

describe("checkPolicy", () => {
  const policy = { name: "some", requires: [], plan: () => null, describe: () => ({}) };

  test("lets a policy pass, one of plain JavaScript too", () => {
    checkPolicy("stream", policy as unknown as KVCachePolicy);
    checkPolicy("stream", definePolicy({ name: "made", plan: () => null }));
  });

  test.each([
    [undefined, "it is of type undefined"],
    [() => policy, "it is of type function"],
    [Promise.resolve(policy), "it is a promise, which has to be awaited"],
    [{ ...policy, plan: undefined }, "it has no function plan"],
    [{ ...policy, name: "" }, "it has no name"],
    [{ ...policy, name: 3 }, "it has no name"],
    [{ ...policy, requires: undefined }, "it has no list requires"],
    [{ ...policy, describe: undefined }, "it has no function describe"],
  ])("refuses %o: %s", (value, problem) => {
    expect(() => {
      checkPolicy("stream", value as unknown as KVCachePolicy);
    }).toThrow(
      expect.objectContaining({
        code: "config",
        message: `stream: policy must be what definePolicy() or sinkWindow() answers, say: ${problem}.`,
      }),
    );
  });
});

describe("findWindowProblem", () => {
  const room = { budget: 8, kept: 3, what: "3 sinks", stride: undefined };

  test.each([
    [room, undefined],
    [{ ...room, stride: 5 }, undefined],
    [{ ...room, stride: "half" as const }, undefined],
    [{ ...room, stride: 6 }, "the stride of 6 is larger than the window of 5 cells"],
    [{ ...room, kept: 7 }, undefined],
    [{ ...room, kept: 8 }, "3 sinks leave no room for a window"],
  ])("of %o is %s", (given, problem) => {
    expect(findWindowProblem(given)).toBe(problem);
  });
});
