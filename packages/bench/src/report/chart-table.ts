import { drawable } from "./chart-scale.js";
import { formatCount, formatNumber, NOTHING } from "./numbers.js";
import type { Chart, ChartSeries, TextTable } from "./report-section.js";

type Point = ChartSeries["points"][number];

/** The numbers behind a chart: a row for each place on the horizontal axis, a column for each series. */
export function chartTable(given: Chart): TextTable {
  const chart = drawable(given);
  const places = [...new Set(chart.series.flatMap(({ points }) => points.map(({ x }) => x)))].sort(
    (a, b) => a - b,
  );
  const columns = chart.series.map(({ points }) => {
    const at = new Map<number, string>();
    // Points of a cloud may share a place.
    for (const point of points)
      at.set(point.x, [at.get(point.x), formatPoint(point)].filter(Boolean).join("; "));
    return at;
  });
  return {
    caption: chart.title,
    columns: [chart.x.title, ...chart.series.map(({ name }) => name)],
    rows: places.map((x) => [
      Number.isInteger(x) ? formatCount(x) : formatNumber(x, 4),
      ...columns.map((at) => at.get(x) ?? NOTHING),
    ]),
  };
}

function formatPoint({ y, lower, upper, label }: Point): string {
  const value = formatNumber(y, 4);
  const bounds =
    lower === undefined || upper === undefined
      ? ""
      : ` [${formatNumber(lower, 4)}, ${formatNumber(upper, 4)}]`;
  return `${label === undefined ? "" : `${label}: `}${value}${bounds}`;
}
