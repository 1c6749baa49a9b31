import { describe, expect, it } from "vitest";

import type { Chart, ChartSeries } from "./report-section.js";
import { renderSvgChart, type SvgChartOptions } from "./svg-chart.js";

const HOSTILE = `<img src=x onerror="alert('1')">&`;
const WIDE: SvgChartOptions = { width: 900, height: 440, kind: "wide", id: "figure" };

function chartOf(changes: Partial<Chart> = {}, ...series: ChartSeries[]): Chart {
  return {
    title: "A chart",
    caption: "",
    x: { title: "across", scale: "linear" },
    y: { title: "up", scale: "linear" },
    series:
      series.length > 0
        ? series
        : [
            {
              name: "one",
              points: [
                { x: 0, y: 1 },
                { x: 10, y: 3 },
              ],
            },
          ],
    ...changes,
  };
}

/** Words and numbers of a drawing. */
function textsOf(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text!);
}

/** Numbers on the vertical axis. */
function ticksOf(svg: string): string[] {
  const texts = textsOf(svg);
  return texts.slice(texts.indexOf("across") + 1, texts.indexOf("up"));
}

/** How many marks of a kind were drawn. */
function countMarks(svg: string, role: "symbol" | "rule" | "line"): number {
  const groups = svg
    .split(/<g class="mark-/)
    .filter((part) => part.startsWith(role) && part.includes("role-mark"))
    .map((part) => part.slice(0, part.indexOf("</g>")));
  return groups.reduce((sum, group) => sum + (group.match(/<(?:path|line)/g) ?? []).length, 0);
}

describe("renderSvgChart", () => {
  it("draws a line for each series, and names it", async () => {
    const svg = await renderSvgChart(
      chartOf(
        {},
        ...["one", "two"].map((name) => ({ name, points: [0, 1, 2].map((x) => ({ x, y: x + 1 })) })),
      ),
      WIDE,
    );
    expect(countMarks(svg, "line")).toBe(2);
    expect(countMarks(svg, "symbol")).toBe(0);
    expect(textsOf(svg)).toEqual(expect.arrayContaining(["one", "two", "across", "up"]));
  });

  it("draws points without a line, and with one", async () => {
    const points = [0, 1, 2].map((x) => ({ x, y: x + 1 }));
    const cloud = await renderSvgChart(chartOf({}, { name: "cloud", mark: "points", points }), WIDE);
    expect([countMarks(cloud, "line"), countMarks(cloud, "symbol")]).toEqual([0, 3]);
    const both = await renderSvgChart(chartOf({}, { name: "both", mark: "line-with-points", points }), WIDE);
    expect([countMarks(both, "line"), countMarks(both, "symbol")]).toEqual([1, 3]);
  });

  it("draws the intervals of those that have one", async () => {
    const svg = await renderSvgChart(
      chartOf(
        {},
        {
          name: "one",
          points: [
            { x: 1, y: 2, lower: 1, upper: 3 },
            { x: 2, y: 2, lower: 1.5, upper: 2.5 },
            { x: 3, y: 2 },
          ],
        },
      ),
      WIDE,
    );
    expect(countMarks(svg, "rule")).toBe(2);
  });

  it("has the whole interval and what it takes to read it inside of the drawing", async () => {
    const points = [{ x: 1, y: 2, lower: 1, upper: 40 }];
    const ticks = ticksOf(await renderSvgChart(chartOf({}, { name: "one", mark: "points", points }), WIDE));
    expect(Math.max(...ticks.map(Number))).toBeGreaterThanOrEqual(40);
  });

  it("draws rules on both axes with their labels, and leaves out those outside", async () => {
    const rules: Chart["rules"] = [
      { axis: "x", at: 5, label: "inside x" },
      { axis: "x", at: 50, label: "outside x" },
      { axis: "y", at: 2, label: "inside y" },
      { axis: "y", at: 200, label: "outside y" },
    ];
    // A linear axis makes room for its rules; a logarithmic one does not.
    const log = await renderSvgChart(chartOf({ rules, y: { title: "up", scale: "log" } }), WIDE);
    expect(textsOf(log)).toEqual(expect.arrayContaining(["inside x", "inside y"]));
    expect(log).not.toContain("outside");
    expect(countMarks(log, "rule")).toBe(2);
    expect(textsOf(await renderSvgChart(chartOf({ rules }), WIDE))).toContain("outside y");
  });

  it("writes labels beside points", async () => {
    const points = [
      { x: 1, y: 2, label: "a point" },
      { x: 2, y: 2 },
    ];
    const svg = await renderSvgChart(chartOf({}, { name: "cloud", mark: "points", points }), WIDE);
    expect(textsOf(svg).filter((text) => text === "a point")).toHaveLength(1);
  });

  it("marks the places of the points on a logarithmic horizontal axis", async () => {
    const points = [256, 512, 1024].map((x) => ({ x, y: x }));
    const svg = await renderSvgChart(
      chartOf({ x: { title: "across", scale: "log" } }, { name: "one", points }),
      WIDE,
    );
    const texts = textsOf(svg);
    expect(texts.slice(0, texts.indexOf("across"))).toEqual(["256", "512", "1,024"]);
  });

  it.each([
    [55, 210],
    [60, 90],
    [72.6, 75.4],
    [12_000, 18_000],
    [0.021, 0.049],
    [0.001, 100_000],
  ])("has at least two numbers on a logarithmic axis from %d to %d", async (low, high) => {
    const points = [
      { x: 1, y: low },
      { x: 2, y: high },
    ];
    const svg = await renderSvgChart(
      chartOf({ y: { title: "up", scale: "log" } }, { name: "one", points }),
      WIDE,
    );
    expect(ticksOf(svg).length).toBeGreaterThanOrEqual(2);
    expect(ticksOf(svg).length).toBeLessThanOrEqual(12);
  });

  it("takes every name, title and label for text", async () => {
    const svg = await renderSvgChart(
      {
        title: `title${HOSTILE}`,
        caption: HOSTILE,
        x: { title: `across${HOSTILE}`, scale: "linear" },
        y: { title: `up${HOSTILE}`, scale: "log" },
        series: [
          { name: `name${HOSTILE}`, mark: "points", points: [{ x: 1, y: 2, label: `label${HOSTILE}` }] },
          { name: "other", points: [{ x: 2, y: 3 }] },
        ],
        rules: [
          { axis: "x", at: 1.5, label: `vertical${HOSTILE}` },
          { axis: "y", at: 2.5, label: `horizontal${HOSTILE}` },
        ],
      },
      WIDE,
    );
    expect(svg).not.toMatch(/<img|<script/i);
    for (const word of ["title", "across", "up", "name", "label", "vertical", "horizontal"])
      expect(svg).toContain(`${word}&lt;img src=x`);
    // No attribute ends where a name has a quotation mark.
    for (const [tag] of svg.matchAll(/<[a-z]+(?:\s+[\w:-]+="[^"]*")*\s*\/?>/gi))
      expect(tag).not.toContain("onerror");
    expect(svg.replaceAll(/<\/?[a-z]+(?:\s+[\w:-]+="[^"<]*")*\s*\/?>/gi, "")).not.toContain("<");
  });

  it("takes odd names for names", async () => {
    const names = ["datum.x", "a.b[0]", "'", "\\", "naïve 模型"];
    const series = names.map((name, index) => ({
      name,
      points: [0, 1].map((x) => ({ x, y: index + x + 1 })),
    }));
    const svg = await renderSvgChart(chartOf({}, ...series), WIDE);
    expect(countMarks(svg, "line")).toBe(names.length);
    for (const name of names) expect(textsOf(svg)).toContain(name);
  });

  it("has a title and a description under ids of its own, and no namespace", async () => {
    const svg = await renderSvgChart(chartOf(), WIDE);
    expect(svg).toMatch(
      /^<svg class="wide" viewBox="0 0 \d+ \d+" role="img" aria-labelledby="figure-title figure-description">/,
    );
    expect(svg).toContain('<title id="figure-title">A chart</title>');
    expect(svg).toContain(
      '<desc id="figure-description">one goes from 1.00 at 0.00000 to 3.00 at 10.0000 (up over across).</desc>',
    );
    expect(svg).not.toMatch(/xmlns|https?:/);
    expect(svg.match(/<svg/g)).toHaveLength(1);
    expect([...svg.matchAll(/\sid="([^"]*)"/g)].every(([, id]) => id!.startsWith("figure-"))).toBe(true);
  });

  it("is empty when there is nothing to draw", async () => {
    expect(await renderSvgChart(chartOf({ series: [] }), WIDE)).toBe("");
    const points = [{ x: 1, y: 0 }];
    expect(
      await renderSvgChart(chartOf({ y: { title: "", scale: "log" } }, { name: "a", points }), WIDE),
    ).toBe("");
  });

  it("keeps to its width, and grows with its legend", async () => {
    const sizeOf = async (count: number): Promise<number[]> => {
      const series = Array.from({ length: count }, (_, index) => ({
        name: `a series with a long name ${index}`,
        points: [0, 1].map((x) => ({ x, y: x + index + 1 })),
      }));
      const svg = await renderSvgChart(chartOf({}, ...series), { ...WIDE, width: 340 });
      return /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.slice(1).map(Number);
    };
    const [[width, height], [wideWidth, wideHeight]] = [await sizeOf(4), await sizeOf(12)];
    expect(width).toBe(340);
    expect(wideWidth).toBe(340);
    expect(wideHeight! - height!).toBe(8 * 24);
  });

  it("tells a dozen series apart by colour and dashes", async () => {
    const series = Array.from({ length: 12 }, (_, index) => ({
      name: `series ${index}`,
      points: [0, 1].map((x) => ({ x, y: x + index + 1 })),
    }));
    const svg = await renderSvgChart(chartOf({}, ...series), WIDE);
    const lines = svg
      .split(/<g class="mark-/)
      .filter((part) => part.startsWith("line") && part.includes("role-mark"))
      .flatMap((part) => [...part.matchAll(/stroke="([^"]*)"[^>]*?(?:stroke-dasharray="([^"]*)")/g)])
      .map(([, color, dashes]) => `${color} ${dashes}`);
    expect(lines).toHaveLength(12);
    expect(new Set(lines).size).toBe(12);
  });
});
