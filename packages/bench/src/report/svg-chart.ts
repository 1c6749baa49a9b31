import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

import { bounds, drawable } from "./chart-scale.js";
import { escapeHtml } from "./html.js";
import type { Chart, ChartSeries } from "./report-section.js";

/** Colours that can be told apart, also by the colour-blind, on white and on near-black (after Okabe and Ito). */
const PALETTE = ["#c98500", "#dd5f3d", "#b565c9", "#1f8fd1", "#0fa07a", "#8a8f2a"];
/** Lines that lie on each other stay visible: dashes let the lower one through. */
const DASHES = [
  [1, 0],
  [1, 0],
  [1, 0],
  [7, 5],
  [2, 4],
  [10, 4, 2, 4],
];
/** Width of a line of the legend beside its name, of a character, and height of a row, in CSS pixels. */
const SYMBOL_WIDTH = 70;
const CHARACTER_WIDTH = 8;
const LEGEND_ROW = 24;
/** When the colours have run out, they come again with other dashes. */
const LATER_DASHES = [
  [5, 3],
  [1, 3],
  [12, 3, 1, 3, 1, 3],
];

/** Size and name of one drawing of a chart. */
export interface SvgChartOptions {
  /** Width in CSS pixels. */
  readonly width: number;
  /** Height in CSS pixels. */
  readonly height: number;
  /** Its class. */
  readonly kind: string;
  /** Prefix of its ids; two drawings of a page differ. */
  readonly id: string;
}

/** A chart as an SVG for an HTML page. Text takes the colour of the page. Empty when there is nothing to draw. */
export async function renderSvgChart(given: Chart, options: SvgChartOptions): Promise<string> {
  const chart = drawable(given);
  if (chart.series.length === 0) return "";
  const view = new View(parse(compile(specOf(chart, options)).spec), { renderer: "none" });
  const svg = await view.toSVG();
  view.finalize();
  return embed(svg, chart, options);
}

function specOf(chart: Chart, { width, height }: SvgChartOptions): TopLevelSpec {
  const names = chart.series.map(({ name }) => name);
  const isNarrow = width < 480;
  const columns = legendColumns(names, width);
  // The height is that of a chart of the paper's four policies: a longer legend must not come off what is plotted.
  const extraRows = Math.max(0, Math.ceil(names.length / columns) - Math.ceil(4 / columns));
  const [left, right] = bounds(chart, "x");
  const x = {
    field: "x",
    type: "quantitative" as const,
    title: chart.x.title,
    scale:
      chart.x.scale === "log"
        ? { type: "log" as const, nice: false, padding: 24, base: 2 }
        : { nice: false, domain: [left, right], zero: false },
    axis: {
      grid: false,
      ...(chart.x.scale === "log"
        ? { values: distinctValues(chart), format: "," }
        : { tickCount: isNarrow ? 4 : 8 }),
    },
  };
  const y = {
    field: "y",
    type: "quantitative" as const,
    title: chart.y.title,
    scale: {
      type: chart.y.scale,
      nice: false,
      padding: 12,
      ...(chart.y.scale === "linear" && { zero: false }),
    },
    axis: { gridOpacity: 0.15, ...verticalTicks(chart) },
  };
  const color = {
    field: "series",
    type: "nominal" as const,
    scale: { domain: names, range: names.map((_, index) => PALETTE[index % PALETTE.length] ?? "") },
    legend: {
      orient: "top" as const,
      title: null,
      columns,
      symbolType: "stroke",
      symbolOpacity: 1,
      labelLimit: Math.max(120, width - SYMBOL_WIDTH),
    },
  };
  const strokeDash = {
    field: "series",
    type: "nominal" as const,
    scale: { domain: names, range: names.map((_, index) => dashesOf(index)) },
  };
  const valuesOf = (wanted: (series: ChartSeries) => boolean): object[] =>
    chart.series
      .filter(wanted)
      .flatMap(({ name, points }) => points.map((point) => ({ series: name, ...point })));
  const joined = valuesOf(({ mark = "line" }) => mark !== "points");
  const dotted = valuesOf(({ mark = "line" }) => mark !== "line");
  const all = valuesOf(() => true) as { lower?: number; label?: string }[];
  const withInterval = all.filter(({ lower }) => lower !== undefined);
  const labelled = all.filter(({ label }) => label !== undefined);
  return {
    width,
    height: height + extraRows * LEGEND_ROW,
    autosize: { type: "fit", contains: "padding" },
    padding: 4,
    background: "transparent",
    layer: [
      ...ruleLayers(chart, x, y),
      {
        data: { values: joined },
        mark: { type: "line", strokeWidth: 2, interpolate: "linear", strokeCap: "round" },
        encoding: { x, y, color, strokeDash, detail: { field: "series", type: "nominal" } },
      },
      ...(withInterval.length === 0
        ? []
        : [
            {
              data: { values: withInterval },
              mark: { type: "rule" as const, strokeWidth: 1.5, opacity: 0.6 },
              encoding: { x, y: { ...y, field: "lower" }, y2: { field: "upper" }, color },
            },
          ]),
      ...(dotted.length === 0
        ? []
        : [
            {
              data: { values: dotted },
              mark: { type: "point" as const, filled: true, size: 45, opacity: 0.9 },
              encoding: { x, y, color },
            },
          ]),
      ...(labelled.length === 0
        ? []
        : [
            {
              data: { values: labelled },
              mark: { type: "text" as const, align: "left" as const, dx: 6, dy: -7, color: "currentColor" },
              encoding: { x, y, text: { field: "label", type: "nominal" as const } },
            },
          ]),
    ],
    config: {
      aria: false,
      font: "system-ui, sans-serif",
      view: { stroke: null },
      text: { fontSize: 12 },
      axis: {
        labelColor: "currentColor",
        titleColor: "currentColor",
        domainColor: "currentColor",
        tickColor: "currentColor",
        gridColor: "currentColor",
        labelFontSize: 12,
        titleFontSize: 12,
        titleFontWeight: "normal",
      },
      legend: { labelColor: "currentColor", labelFontSize: 13, symbolStrokeWidth: 3, symbolSize: 300 },
    },
  } as TopLevelSpec;
}

/** Rules with their labels. */
function ruleLayers(chart: Chart, x: object, y: object): object[] {
  const inside = (chart.rules ?? []).filter(({ axis, at }) => {
    const [least, greatest] = bounds(chart, axis);
    return at >= least && at <= greatest;
  });
  const mark = { type: "rule", color: "currentColor", opacity: 0.45, strokeDash: [3, 3] };
  const text = { type: "text", color: "currentColor", opacity: 0.75 };
  const vertical = inside
    .filter(({ axis }) => axis === "x")
    .map(({ at, label }, level) => ({ x: at, label, level }));
  const horizontal = inside.filter(({ axis }) => axis === "y").map(({ at, label }) => ({ y: at, label }));
  const [, right] = bounds(chart, "x");
  return [
    ...(vertical.length === 0 ? [] : [{ data: { values: vertical }, mark, encoding: { x } }]),
    // A label on the right of the last rules would take its width from what is plotted.
    ...(["left", "right"] as const)
      .map((align) => ({
        data: { values: vertical.filter(({ x: at }) => at > right * 0.75 === (align === "right")) },
        mark: { ...text, align, baseline: "top", dx: align === "left" ? 4 : -4 },
        encoding: {
          x,
          y: { value: { expr: "2 + datum.level * 14" } },
          text: { field: "label", type: "nominal" },
        },
      }))
      .filter(({ data }) => data.values.length > 0),
    ...(horizontal.length === 0
      ? []
      : [
          { data: { values: horizontal }, mark, encoding: { y } },
          {
            data: { values: horizontal },
            mark: { ...text, align: "right", baseline: "bottom", dx: -4, dy: -2 },
            encoding: { y, x: { value: "width" }, text: { field: "label", type: "nominal" } },
          },
        ]),
  ];
}

/** Dashes of a line: with its colour, no other line's until there are very many. */
function dashesOf(index: number): number[] {
  const round = Math.floor(index / PALETTE.length) - 1;
  return (round < 0 ? DASHES[index] : LATER_DASHES[round % LATER_DASHES.length]) ?? [1, 0];
}

/** As many columns as the longest name leaves room for, at most four. */
function legendColumns(names: readonly string[], width: number): number {
  const longest = Math.max(...names.map(({ length }) => length));
  return Math.max(1, Math.min(4, Math.floor(width / (SYMBOL_WIDTH + longest * CHARACTER_WIDTH))));
}

/** Places of the points, where these are few: budgets, which are the round numbers of their axis. */
function distinctValues({ series }: Chart): number[] {
  const values = [...new Set(series.flatMap(({ points }) => points.map((point) => point.x)))];
  return values.length <= 8 ? values : roundNumbers(Math.min(...values), Math.max(...values));
}

function verticalTicks(chart: Chart): object {
  if (chart.y.scale === "linear") return {};
  const values = roundNumbers(...bounds(chart, "y"));
  // Between 60 and 90 there is neither a 50 nor a 100: then the scale finds finer ones.
  return values.length < 2 ? { tickCount: 5, format: "~r" } : { values, format: "~s" };
}

/** Round numbers between the least and the greatest value: 1, 2 and 5 in each decade, or only 1 when that were too many. */
function roundNumbers(least: number, greatest: number): number[] {
  const decades = Math.log10(greatest / least);
  const digits = decades > 3 ? [1] : [1, 2, 5];
  const first = Math.floor(Math.log10(least));
  return Array.from({ length: Math.ceil(decades) + 2 }, (_, index) => 10 ** (first + index))
    .flatMap((decade) => digits.map((digit) => digit * decade))
    .filter((tick) => tick >= least && tick <= greatest);
}

/** Makes of a free-standing SVG one that may stand several times in a page: no namespaces, a title and a description. */
function embed(svg: string, chart: Chart, { id, kind }: SvgChartOptions): string {
  const viewBox = /viewBox="([^"]*)"/.exec(svg)?.[1] ?? "0 0 1 1";
  const content = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1);
  const description = chart.series.map((series) => describeSeries(series, chart)).join(" ");
  return (
    `<svg class="${kind}" viewBox="${viewBox}" role="img" aria-labelledby="${id}-title ${id}-description">` +
    `<title id="${id}-title">${escapeHtml(chart.title)}</title>` +
    `<desc id="${id}-description">${escapeHtml(description)}</desc>${content}`
  );
}

function describeSeries({ name, points }: ChartSeries, { x, y }: Chart): string {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return "";
  const [from, to] = [first, last].map((point) => `${point.y.toPrecision(3)} at ${point.x.toPrecision(6)}`);
  return `${name} goes from ${from ?? ""} to ${to ?? ""} (${y.title} over ${x.title}).`;
}
