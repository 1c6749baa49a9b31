import { describe, expect, it } from "vitest";

import { bounds, drawable, fromShare, toShare, widen } from "./chart-scale.js";
import type { Chart, ChartAxis, ChartSeries } from "./report-section.js";

const LINEAR: ChartAxis = { title: "", scale: "linear" };
const LOG: ChartAxis = { title: "", scale: "log" };

function chartOf(
  x: ChartAxis,
  y: ChartAxis,
  points: ChartSeries["points"],
  rules: Chart["rules"] = [],
): Chart {
  return { title: "", caption: "", x, y, series: [{ name: "a", points }], rules };
}

describe("drawable", () => {
  const points = [
    { x: 0, y: 1 },
    { x: 1, y: 0 },
    { x: NaN, y: 1 },
    { x: 2, y: Infinity },
    { x: 3, y: -1 },
    { x: 4, y: 2 },
  ];
  const places = (chart: Chart): unknown => drawable(chart).series.map((one) => one.points.map(({ x }) => x));

  it("leaves out what is not finite, and what is not positive where an axis is logarithmic", () => {
    expect(places(chartOf(LINEAR, LINEAR, points))).toEqual([[0, 1, 3, 4]]);
    expect(places(chartOf(LINEAR, LOG, points))).toEqual([[0, 4]]);
    expect(places(chartOf(LOG, LINEAR, points))).toEqual([[1, 3, 4]]);
  });

  it("leaves out a series of which nothing is left", () => {
    expect(places(chartOf(LINEAR, LOG, [{ x: 1, y: 0 }]))).toEqual([]);
    expect(places(chartOf(LINEAR, LINEAR, []))).toEqual([]);
  });

  it("keeps a point whose interval cannot be drawn, without it", () => {
    const of = (lower?: number, upper?: number): unknown =>
      drawable(chartOf(LINEAR, LOG, [{ x: 1, y: 2, lower, upper, label: "l" }])).series[0]?.points[0];
    expect(of(1, 3)).toEqual({ x: 1, y: 2, lower: 1, upper: 3, label: "l" });
    for (const [lower, upper] of [
      [0, 3],
      [1, Infinity],
      [undefined, 3],
      [1, undefined],
    ])
      expect(of(lower, upper)).toEqual({ x: 1, y: 2, label: "l" });
  });
});

describe("bounds", () => {
  const points = [
    { x: 5, y: 10, lower: 7, upper: 20 },
    { x: 9, y: 12 },
  ];

  it("begins a linear horizontal axis at 0, and no other", () => {
    expect(bounds(chartOf(LINEAR, LINEAR, points), "x")).toEqual([0, 9]);
    expect(bounds(chartOf(LOG, LINEAR, points), "x")).toEqual([5, 9]);
    expect(bounds(chartOf(LINEAR, LINEAR, [{ x: -3, y: 1 }]), "x")).toEqual([-3, 0]);
  });

  it("has room for the intervals", () => {
    expect(bounds(chartOf(LINEAR, LINEAR, points), "y")).toEqual([7, 20]);
  });

  it("has room for the rules of a linear vertical axis alone", () => {
    const rules: Chart["rules"] = [
      { axis: "y", at: 30, label: "" },
      { axis: "x", at: 50, label: "" },
    ];
    expect(bounds(chartOf(LINEAR, LINEAR, points, rules), "y")).toEqual([7, 30]);
    expect(bounds(chartOf(LINEAR, LOG, points, rules), "y")).toEqual([7, 20]);
    expect(bounds(chartOf(LINEAR, LINEAR, points, rules), "x")).toEqual([0, 9]);
  });
});

describe("toShare and fromShare", () => {
  it("are each other's inverse, on both scales", () => {
    expect(toShare(LINEAR, [10, 30], 15)).toBe(0.25);
    expect(toShare(LOG, [1, 10_000], 100)).toBeCloseTo(0.5, 12);
    for (const axis of [LINEAR, LOG])
      for (const share of [0, 0.3, 1])
        expect(toShare(axis, [2, 50], fromShare(axis, [2, 50], share))).toBeCloseTo(share, 12);
  });

  it("put a range of nothing in the middle", () => {
    expect(toShare(LINEAR, [3, 3], 3)).toBe(0.5);
    expect(toShare(LOG, [3, 3], 3)).toBe(0.5);
  });
});

describe("widen", () => {
  it("gives a narrow logarithmic range air, and leaves a wide one", () => {
    const [low, high] = widen(LOG, [10, 10]);
    expect(Math.log10(high / low)).toBeCloseTo(0.1, 12);
    expect(Math.sqrt(low * high)).toBeCloseTo(10, 10);
    expect(widen(LOG, [1, 100])).toEqual([1, 100]);
  });

  it("gives a linear range a twentieth of it, but does not go below 0 for that", () => {
    expect(widen(LINEAR, [10, 30])).toEqual([9, 31]);
    expect(widen(LINEAR, [0, 20])).toEqual([0, 21]);
    expect(widen(LINEAR, [-10, 10])).toEqual([-11, 11]);
    const [low, high] = widen(LINEAR, [5, 5]);
    expect(low).toBeLessThan(5);
    expect(high).toBeGreaterThan(5);
  });
});
