import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

import type { Results } from "../results/schema.js";
import { escapeHtml } from "./html.js";
import { formatCount } from "./numbers.js";

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

/** Size and name of one drawing of the chart. */
export interface ReportChartOptions {
  /** Width in CSS pixels. */
  readonly width: number;
  /** Height in CSS pixels. */
  readonly height: number;
  /** Its class, and prefix of its ids; two drawings of a page differ. */
  readonly id: string;
}

/**
 * Running perplexity over the stream position as an SVG for an HTML page: a logarithmic scale, a line for each policy, rules where
 * the cache is full and where the trained length ends. Text takes the colour of the page. Empty when there is nothing to draw.
 */
export async function renderReportChart(results: Results, options: ReportChartOptions): Promise<string> {
  if (results.policies.every(({ series }) => series.length === 0)) return "";
  const view = new View(parse(compile(describe(results, options)).spec), { renderer: "none" });
  const svg = await view.toSVG();
  view.finalize();
  return embed(svg, results, options);
}

function describe(results: Results, { width, height }: ReportChartOptions): TopLevelSpec {
  const names = results.policies.map(({ name }) => name);
  const values = results.policies.flatMap(({ name, series }) =>
    series.map(({ position, perplexity }) => ({ policy: name, position, perplexity })),
  );
  const right = Math.max(...values.map(({ position }) => position));
  const rules = [
    { position: results.settings.budget, what: "cache full" },
    { position: results.model.trainedLength ?? Infinity, what: "trained length" },
  ].filter(({ position }) => position <= right);
  const isNarrow = width < 480;
  const columns = legendColumns(names, width);
  // The height is that of a chart of the paper's four policies: a longer legend must not come off what is plotted.
  const extraRows = Math.max(0, Math.ceil(names.length / columns) - Math.ceil(4 / columns));
  const x = {
    field: "position",
    type: "quantitative" as const,
    title: "stream position (tokens)",
    scale: { nice: false, domain: [0, right] },
    axis: { grid: false, tickCount: isNarrow ? 4 : 8 },
  };
  return {
    width,
    height: height + extraRows * LEGEND_ROW,
    autosize: { type: "fit", contains: "padding" },
    padding: 4,
    background: "transparent",
    layer: [
      {
        data: { values: rules },
        mark: { type: "rule", color: "currentColor", opacity: 0.45, strokeDash: [3, 3] },
        encoding: { x },
      },
      // A label on the right of the last rules would take its width from what is plotted.
      ...(["left", "right"] as const).map((align) => ({
        data: {
          values: rules
            .map((rule, index) => ({ ...rule, level: index }))
            .filter(({ position }) => position > right * 0.75 === (align === "right")),
        },
        mark: {
          type: "text" as const,
          align,
          baseline: "top" as const,
          dx: align === "left" ? 4 : -4,
          color: "currentColor",
          opacity: 0.75,
        },
        encoding: {
          x,
          y: { value: { expr: "2 + datum.level * 14" } },
          text: { field: "what", type: "nominal" as const },
        },
      })),
      {
        data: { values },
        mark: { type: "line", strokeWidth: 2, interpolate: "linear", strokeCap: "round" },
        encoding: {
          x,
          y: {
            field: "perplexity",
            type: "quantitative",
            title: `perplexity of the last ${formatCount(results.settings.seriesWindow)} tokens`,
            scale: { type: "log", nice: false, padding: 12 },
            axis: {
              gridOpacity: 0.15,
              values: logTicks(values.map(({ perplexity }) => perplexity)),
              format: "~s",
            },
          },
          color: {
            field: "policy",
            type: "nominal",
            scale: { domain: names, range: names.map((_, index) => PALETTE[index % PALETTE.length] ?? "") },
            legend: {
              orient: "top",
              title: null,
              columns,
              symbolType: "stroke",
              labelLimit: 300,
            },
          },
          strokeDash: {
            field: "policy",
            type: "nominal",
            scale: { domain: names, range: names.map((_, index) => dashesOf(index)) },
          },
        },
      },
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
  };
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

/** Round numbers between the least and the greatest value: 1, 2 and 5 in each decade, or only 1 when that were too many. */
function logTicks(values: readonly number[]): number[] {
  const least = Math.min(...values);
  const greatest = Math.max(...values);
  const decades = Math.log10(greatest / least);
  const digits = decades > 3 ? [1] : [1, 2, 5];
  const first = Math.floor(Math.log10(least));
  return Array.from({ length: Math.ceil(decades) + 2 }, (_, index) => 10 ** (first + index))
    .flatMap((decade) => digits.map((digit) => digit * decade))
    .filter((tick) => tick >= least && tick <= greatest);
}

/** Makes of a free-standing SVG one that may stand several times in a page: no namespaces, a title and a description. */
function embed(svg: string, results: Results, { id }: ReportChartOptions): string {
  const viewBox = /viewBox="([^"]*)"/.exec(svg)?.[1] ?? "0 0 1 1";
  const content = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1);
  const description = results.policies.map(describeLine).join(" ");
  return (
    `<svg class="${id}" viewBox="${viewBox}" role="img" aria-labelledby="${id}-title ${id}-description">` +
    `<title id="${id}-title">Running perplexity over the stream position, one line for each policy</title>` +
    `<desc id="${id}-description">${escapeHtml(description)}</desc>${content}`
  );
}

function describeLine({ name, series }: Results["policies"][number]): string {
  const first = series[0];
  const last = series.at(-1);
  if (!first || !last) return `${name} has no line.`;
  return (
    `${name} goes from ${first.perplexity.toPrecision(3)} at position ${first.position} to ` +
    `${last.perplexity.toPrecision(3)} at position ${last.position}.`
  );
}
