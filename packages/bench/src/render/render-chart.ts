import picocolors from "picocolors";

import type { Results } from "../results/schema.js";
import { BrailleCanvas } from "./braille-canvas.js";
import { formatCount, formatNumber } from "./numbers.js";

/** Options of {@link renderChart}. */
export interface RenderChartOptions {
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
 * Running perplexity over the stream position as lines of braille dots for a terminal, on a logarithmic scale. A column of bars
 * marks where the cache is full. Empty when there is nothing to draw.
 */
export function renderChart(results: Results, options: RenderChartOptions = {}): string {
  const { width = 80, height = 14, colors = false } = options;
  const paint = picocolors.createColors(colors);
  const lines = results.policies.filter(({ series }) => series.length > 0);
  const points = lines.flatMap(({ series }) => series);
  if (points.length === 0) return "";

  const labelWidth = Math.min(28, Math.max(...lines.map(({ name }) => name.length)));
  const columns = Math.max(16, width - AXIS_WIDTH - labelWidth - 4);
  const right = Math.max(1, ...points.map(({ position }) => position));
  const [bottom, top] = logBounds(points.map(({ perplexity }) => perplexity));
  const canvas = new BrailleCanvas(columns, height);
  const toX = (position: number): number => (position / right) * (canvas.dotWidth - 1);
  const toY = (perplexity: number): number =>
    ((top - Math.log10(perplexity)) / (top - bottom)) * (canvas.dotHeight - 1);

  if (results.settings.budget <= right) canvas.rule(Math.floor(toX(results.settings.budget) / 2));
  lines.forEach(({ series }, index) => {
    canvas.line(
      series.map(({ position, perplexity }) => ({ x: toX(position), y: toY(perplexity) })),
      index,
    );
  });

  const colorOf = (index: number): ((text: string) => string) =>
    paint[PALETTE[index % PALETTE.length] ?? "white"];
  const labels = placeLabels(
    lines.map(({ series }) => Math.round(toY(series.at(-1)?.perplexity ?? 1) / 4 - 0.5)),
    height,
  );
  const rows = canvas.rows((text, owner) => (owner === undefined ? paint.dim(text) : colorOf(owner)(text)));
  const body = rows.map((row, index) => {
    const shown = index === 0 || index === height - 1 || index === Math.floor((height - 1) / 2);
    const value = 10 ** (top - (index / (height - 1)) * (top - bottom));
    const axis = (shown ? formatNumber(value, 2) : "").padStart(AXIS_WIDTH - 1);
    const owner = labels.indexOf(index);
    const label = owner < 0 ? "" : colorOf(owner)(`◄ ${(lines[owner]?.name ?? "").slice(0, labelWidth)}`);
    return `${axis} ${shown ? "┤" : "│"}${row} ${label}`.trimEnd();
  });
  const end = formatCount(right);
  const axis = `${" ".repeat(AXIS_WIDTH)}└${"─".repeat(columns)}`;
  const numbers = `${" ".repeat(AXIS_WIDTH + 1)}0${end.padStart(columns - 1)}`;
  const caption = `Perplexity of the last ${formatCount(results.settings.seriesWindow)} tokens over the stream position (logarithmic; ┊ the cache is full)`;
  return [paint.bold(caption), ...body, axis, numbers].join("\n");
}

/** Rows for the labels: each near where its line ends, no two on one row. */
function placeLabels(wanted: readonly number[], height: number): number[] {
  const free = new Set(Array.from({ length: height }, (_, row) => row));
  return wanted.map((row) => {
    const [nearest = -1] = [...free].sort((a, b) => Math.abs(a - row) - Math.abs(b - row));
    free.delete(nearest);
    return nearest;
  });
}

function logBounds(perplexities: readonly number[]): [number, number] {
  const logarithms = perplexities.map(Math.log10);
  const low = Math.min(...logarithms);
  const high = Math.max(...logarithms);
  return high - low < 0.1 ? [low - 0.05, high + 0.05] : [low, high];
}
