import { describe, expect, it } from "vitest";

import {
  linearTicks,
  logarithmicDomain,
  logarithmicShare,
  logarithmicTicks,
  spreadApart,
} from "./chart-scale.js";

describe("a logarithmic axis", () => {
  it("begins and ends on round values around what it shows", () => {
    expect(logarithmicDomain([34, 210])).toEqual({ least: 20, greatest: 500 });
    expect(logarithmicDomain([20, 500])).toEqual({ least: 20, greatest: 500 });
    expect(logarithmicDomain([60, 61])).toEqual({ least: 50, greatest: 500 });
    expect(logarithmicDomain([0.3, 7])).toEqual({ least: 0.2, greatest: 10 });
  });

  it("shows something before there are values, and skips what cannot be shown", () => {
    expect(logarithmicDomain([])).toEqual({ least: 10, greatest: 1000 });
    expect(logarithmicDomain([NaN, 0, Infinity, 34, 210])).toEqual({ least: 20, greatest: 500 });
  });

  it("has few lines", () => {
    expect(logarithmicTicks({ least: 20, greatest: 500 })).toEqual([20, 50, 100, 200, 500]);
    expect(logarithmicTicks({ least: 10, greatest: 1000 })).toEqual([10, 20, 50, 100, 200, 500, 1000]);
    expect(logarithmicTicks({ least: 20, greatest: 100_000 })).toEqual([100, 1000, 10_000, 100_000]);
  });

  it("has equal ratios equally far apart", () => {
    const domain = { least: 10, greatest: 1000 };
    expect([10, 100, 1000].map((value) => logarithmicShare(domain, value))).toEqual([0, 0.5, 1]);
  });
});

describe("linearTicks", () => {
  it("are round and not too many", () => {
    expect(linearTicks(1000, 5)).toEqual([0, 200, 400, 600, 800, 1000]);
    expect(linearTicks(4000, 4)).toEqual([0, 1000, 2000, 3000, 4000]);
    expect(linearTicks(370, 5)).toEqual([0, 100, 200, 300]);
    expect(linearTicks(3, 5)).toEqual([0, 1, 2, 3]);
  });
});

describe("spreadApart", () => {
  it("leaves alone what is far enough apart", () => {
    expect(spreadApart([80, 10, 40], 14, 100)).toEqual([80, 10, 40]);
  });

  it("keeps the distance and the order", () => {
    expect(spreadApart([42, 40, 41], 10, 100)).toEqual([60, 40, 50]);
  });

  it("stays within the range", () => {
    expect(spreadApart([95, 96, 97], 10, 100)).toEqual([80, 90, 100]);
  });
});
