import { describe, expect, it } from "vitest";

import { chartTable } from "./chart-table.js";
import type { Chart } from "./report-section.js";

const CHART: Chart = {
  title: "A over B",
  caption: "",
  x: { title: "B (cells)", scale: "log" },
  y: { title: "A", scale: "log" },
  series: [
    {
      name: "one",
      points: [
        { x: 1024, y: 12.345, lower: 11, upper: 13 },
        { x: 16, y: 1 },
        { x: 0, y: 5 },
      ],
    },
    { name: "nothing", points: [{ x: 1, y: -1 }] },
    {
      name: "cloud",
      mark: "points",
      points: [
        { x: 16, y: 2, label: "first" },
        { x: 16, y: 3, label: "second" },
        { x: 0.5, y: 4 },
      ],
    },
  ],
};

describe("chartTable", () => {
  it("has a row for each place and a column for each series that is drawn", () => {
    expect(chartTable(CHART)).toEqual({
      caption: "A over B",
      columns: ["B (cells)", "one", "cloud"],
      rows: [
        ["0.5000", "–", "4.000"],
        ["16", "1.000", "first: 2.000; second: 3.000"],
        ["1,024", "12.35 [11.00, 13.00]", "–"],
      ],
    });
  });

  it("is empty of what cannot be drawn", () => {
    expect(chartTable({ ...CHART, series: [] })).toEqual({
      caption: "A over B",
      columns: ["B (cells)"],
      rows: [],
    });
  });
});
