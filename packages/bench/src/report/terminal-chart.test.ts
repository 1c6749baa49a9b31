import { describe, expect, it } from "vitest";

import type { Chart, ChartSeries } from "./report-section.js";
import { renderTerminalChart } from "./terminal-chart.js";

function chartOf(changes: Partial<Chart>, ...series: ChartSeries[]): Chart {
  return {
    title: "A chart",
    caption: "",
    x: { title: "across", scale: "linear" },
    y: { title: "up", scale: "linear" },
    series,
    ...changes,
  };
}

function line(name: string, ...values: readonly number[]): ChartSeries {
  return { name, points: values.map((y, x) => ({ x, y })) };
}

/** Dots of braille in a text. */
function countDots(text: string): number {
  return Array.from(text)
    .map((character) => character.codePointAt(0)! - 0x2800)
    .filter((bits) => bits > 0 && bits < 256)
    .reduce((sum, bits) => sum + bits.toString(2).replaceAll("0", "").length, 0);
}

describe("renderTerminalChart", () => {
  it("draws linear axes, the horizontal one from 0", () => {
    const points = [
      { x: 50, y: 10 },
      { x: 100, y: 30 },
    ];
    expect(renderTerminalChart(chartOf({}, { name: "a", points }), { width: 40, height: 5 }))
      .toMatchInlineSnapshot(`
      "A chart
            31 ┤                        ⡠⠔ ◄ a
               │                     ⡠⠔⠉
            20 ┤                 ⢀⡠⠔⠉
               │              ⢀⡠⠒⠁
           9.0 ┤             ⠖⠁
               └──────────────────────────
                0                      100"
    `);
  });

  it("draws points that are not joined, each as a dot", () => {
    const points = [
      { x: 0, y: 0 },
      { x: 50, y: 100 },
      { x: 100, y: 0 },
    ];
    const draw = (mark: ChartSeries["mark"]): number =>
      countDots(renderTerminalChart(chartOf({}, { name: "a", mark, points }), { width: 60 }));
    expect(draw("points")).toBe(3);
    expect(draw("line")).toBeGreaterThan(50);
    expect(draw("line-with-points")).toBe(draw("line"));
  });

  it("spreads a logarithmic axis by factors", () => {
    const points = [1, 10, 100].map((x) => ({ x, y: 1 }));
    const chart = chartOf({ x: { title: "", scale: "log" } }, { name: "a", mark: "points", points });
    const row = renderTerminalChart(chart, { width: 60 })
      .split("\n")
      .find((text) => countDots(text) > 0)!;
    const places = Array.from(row).flatMap((character, column) => (countDots(character) > 0 ? [column] : []));
    expect(places).toHaveLength(3);
    expect(Math.abs(places[2]! - places[1]! - (places[1]! - places[0]!))).toBeLessThanOrEqual(1);
  });

  it("names as many lines as there are rows, and draws those that are more", () => {
    const series = Array.from({ length: 9 }, (_, index) => line(`line ${index}`, index, index));
    const text = renderTerminalChart(chartOf({}, ...series), { width: 60, height: 4 });
    expect(text.match(/◄ line \d/g)).toHaveLength(4);
    // Nine levels in sixteen rows of dots: each line has its own.
    const single = renderTerminalChart(chartOf({}, line("line 0", 0, 0)), { width: 60, height: 4 });
    expect(countDots(text)).toBe(9 * countDots(single));
    const labels = text.split("\n").map((row) => row.match(/◄/g)?.length ?? 0);
    expect(Math.max(...labels)).toBe(1);
  });

  it("names each line near where it ends", () => {
    const text = renderTerminalChart(chartOf({}, line("falls", 10, 0), line("rises", 0, 10)), { width: 60 });
    expect(text.indexOf("◄ rises")).toBeLessThan(text.indexOf("◄ falls"));
  });

  it("names two lines that end at the same place in two rows", () => {
    const text = renderTerminalChart(chartOf({}, line("one", 0, 5), line("two", 10, 5)), {
      width: 60,
      height: 8,
    });
    const rows = text.split("\n");
    const [one, two] = ["one", "two"].map((name) => rows.findIndex((row) => row.endsWith(`◄ ${name}`)));
    expect(one).toBeGreaterThan(0);
    expect(Math.abs(one! - two!)).toBe(1);
  });

  it("keeps to its width whatever the names", () => {
    for (const width of [60, 80, 120]) {
      const text = renderTerminalChart(chartOf({}, line("a".repeat(90), 1, 2), line("b", 2, 1)), { width });
      const rows = text.split("\n").slice(1);
      expect(Math.max(...rows.map(({ length }) => length))).toBeLessThanOrEqual(width);
    }
  });

  it("marks the first rule of the horizontal axis that lies inside", () => {
    const rules: Chart["rules"] = [
      { axis: "y", at: 1, label: "across" },
      { axis: "x", at: 9, label: "outside" },
      { axis: "x", at: 1, label: "inside" },
    ];
    const text = renderTerminalChart(chartOf({ rules }, line("a", 1, 2, 3)), { width: 60, height: 5 });
    expect(text.split("\n")[0]).toBe("A chart (┊ inside)");
    expect(text.split("\n").slice(1).join().match(/┊/g)?.length).toBeGreaterThanOrEqual(3);
    const log = renderTerminalChart(chartOf({ y: { title: "", scale: "log" } }, line("a", 1, 2)), {});
    expect(log.split("\n")[0]).toBe("A chart (logarithmic)");
    expect(renderTerminalChart(chartOf({}, line("a", 1, 2)), {}).split("\n")[0]).toBe("A chart");
  });

  it("draws what does not change in the middle", () => {
    for (const scale of ["linear", "log"] as const) {
      const rows = renderTerminalChart(chartOf({ y: { title: "", scale } }, line("flat", 5, 5)), {
        width: 60,
        height: 5,
      }).split("\n");
      expect(rows[3]).toContain("◄ flat");
      expect(countDots(rows[3]!)).toBeGreaterThan(20);
    }
  });

  it("draws one point alone, and nothing of nothing", () => {
    expect(countDots(renderTerminalChart(chartOf({}, line("a", 3))))).toBe(1);
    expect(renderTerminalChart(chartOf({}))).toBe("");
    expect(renderTerminalChart(chartOf({ y: { title: "", scale: "log" } }, line("a", 0, -1)))).toBe("");
  });

  it("colours each line and its name alike", () => {
    const text = renderTerminalChart(chartOf({}, line("a", 1, 1), line("b", 2, 2)), {
      colors: true,
      width: 60,
    });
    const colorOf = (name: string): string => new RegExp(`(\\u001B\\[\\d+m)◄ ${name}`).exec(text)![1]!;
    expect(colorOf("a")).not.toBe(colorOf("b"));
    expect(text.split(colorOf("a")).length - 1).toBeGreaterThan(20);
  });
});
