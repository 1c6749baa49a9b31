import picocolors from "picocolors";

import { BrailleCanvas } from "./braille-canvas.js";
import { bounds, drawable, fromShare, toShare, widen } from "./chart-scale.js";
import { formatCount, formatNumber } from "./numbers.js";
import type { Chart } from "./report-section.js";

/** Options of {@link renderTerminalChart}. */
export interface TerminalChartOptions {
  /** Columns of the whole chart. Defaults to 80. */
  readonly width?: number | undefined;
  /** Rows of the plotted area. Defaults to 14. */
  readonly height?: number | undefined;
  /** Whether to colour. Defaults to false; each line is named at its right end either way. */
  readonly colors?: boolean | undefined;
}

const PALETTE = ["yellow", "red", "cyan", "green", "magenta", "blue"] as const;
const AXIS_WIDTH = 9;

/**
 * A chart as lines of braille dots for a terminal. A column of bars marks the first rule of the horizontal axis. Empty when there is
 * nothing to draw.
 */
export function renderTerminalChart(given: Chart, options: TerminalChartOptions = {}): string {
  const { width = 80, height = 14, colors = false } = options;
  const paint = picocolors.createColors(colors);
  const chart = drawable(given);
  const lines = chart.series;
  if (lines.length === 0) return "";

  const labelWidth = Math.min(28, Math.max(...lines.map(({ name }) => name.length)));
  const columns = Math.max(16, width - AXIS_WIDTH - labelWidth - 4);
  const horizontal = bounds(chart, "x");
  const vertical = widen(chart.y, bounds(chart, "y"));
  const canvas = new BrailleCanvas(columns, height);
  const toX = (x: number): number => toShare(chart.x, horizontal, x) * (canvas.dotWidth - 1);
  const toY = (y: number): number => (1 - toShare(chart.y, vertical, y)) * (canvas.dotHeight - 1);

  const rule = chart.rules?.find(
    ({ axis, at }) => axis === "x" && at >= horizontal[0] && at <= horizontal[1],
  );
  if (rule) canvas.rule(Math.floor(toX(rule.at) / 2));
  lines.forEach(({ points, mark }, index) => {
    const dots = points.map(({ x, y }) => ({ x: toX(x), y: toY(y) }));
    if (mark === "points") for (const dot of dots) canvas.line([dot], index);
    else canvas.line(dots, index);
  });

  const colorOf = (index: number): ((text: string) => string) =>
    paint[PALETTE[index % PALETTE.length] ?? "white"];
  const labels = placeLabels(
    lines.map(({ points }) => Math.round(toY(points.at(-1)?.y ?? 1) / 4 - 0.5)),
    height,
  );
  const rows = canvas.rows((text, owner) => (owner === undefined ? paint.dim(text) : colorOf(owner)(text)));
  const body = rows.map((row, index) => {
    const shown = index === 0 || index === height - 1 || index === Math.floor((height - 1) / 2);
    const value = fromShare(chart.y, vertical, 1 - index / (height - 1));
    const axis = (shown ? formatNumber(value, 2) : "").padStart(AXIS_WIDTH - 1);
    const owner = labels.indexOf(index);
    const label = owner < 0 ? "" : colorOf(owner)(`◄ ${(lines[owner]?.name ?? "").slice(0, labelWidth)}`);
    return `${axis} ${shown ? "┤" : "│"}${row} ${label}`.trimEnd();
  });
  const [left = "", right = ""] = horizontal.map((value) =>
    Number.isInteger(value) ? formatCount(value) : formatNumber(value),
  );
  const axis = `${" ".repeat(AXIS_WIDTH)}└${"─".repeat(columns)}`;
  const numbers = `${" ".repeat(AXIS_WIDTH + 1)}${left}${right.padStart(columns - left.length)}`;
  const remarks = [...(chart.y.scale === "log" ? ["logarithmic"] : []), ...(rule ? [`┊ ${rule.label}`] : [])];
  const caption = remarks.length === 0 ? chart.title : `${chart.title} (${remarks.join("; ")})`;
  return [paint.bold(caption), ...body, axis, numbers].join("\n");
}

/** Rows for the labels: each near where its line ends, no two on one row; −1 when there are more labels than rows. */
function placeLabels(wanted: readonly number[], height: number): number[] {
  const free = new Set(Array.from({ length: height }, (_, row) => row));
  return wanted.map((row) => {
    const [nearest = -1] = [...free].sort((a, b) => Math.abs(a - row) - Math.abs(b - row));
    free.delete(nearest);
    return nearest;
  });
}
