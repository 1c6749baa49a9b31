import type { Chart, ChartAxis } from "./report-section.js";

/** A chart without what cannot be drawn: values that are not finite or, on a logarithmic axis, not positive, and series left empty. */
export function drawable(chart: Chart): Chart {
  const fits = ({ scale }: ChartAxis, value: number): boolean =>
    Number.isFinite(value) && (scale === "linear" || value > 0);
  const series = chart.series
    .map((one) => ({
      ...one,
      points: one.points
        .filter(({ x, y }) => fits(chart.x, x) && fits(chart.y, y))
        .map(({ lower, upper, ...point }) => {
          const hasInterval =
            lower !== undefined && upper !== undefined && fits(chart.y, lower) && fits(chart.y, upper);
          return hasInterval ? { ...point, lower, upper } : point;
        }),
    }))
    .filter(({ points }) => points.length > 0);
  return { ...chart, series };
}

/** Least and greatest value that an axis shows. Horizontally a linear one begins at 0 unless something lies below. */
export function bounds(chart: Chart, axis: "x" | "y"): [number, number] {
  const points = chart.series.flatMap(({ points }) => points);
  const values =
    axis === "x"
      ? points.map(({ x }) => x)
      : points.flatMap(({ y, lower, upper }) => [y, lower ?? y, upper ?? y]);
  const ruled = (chart.rules ?? []).filter((rule) => rule.axis === "y" && axis === "y").map(({ at }) => at);
  const isLinearX = axis === "x" && chart.x.scale === "linear";
  const all = [...values, ...(isLinearX ? [0] : []), ...(chart[axis].scale === "linear" ? ruled : [])];
  return [Math.min(...all), Math.max(...all)];
}

/** A place on an axis as a share of it. A range of nothing lies in the middle. */
export function toShare({ scale }: ChartAxis, [low, high]: readonly [number, number], value: number): number {
  const [from, to, at] = scale === "log" ? [low, high, value].map(Math.log10) : [low, high, value];
  if (from === undefined || to === undefined || at === undefined || from === to) return 0.5;
  return (at - from) / (to - from);
}

/** The value at a share of an axis. */
export function fromShare(
  { scale }: ChartAxis,
  [low, high]: readonly [number, number],
  share: number,
): number {
  if (scale === "linear") return low + share * (high - low);
  return 10 ** (Math.log10(low) + share * (Math.log10(high) - Math.log10(low)));
}

/** A range with some air around it, where it is so narrow that chance would fill the chart. */
export function widen({ scale }: ChartAxis, [low, high]: readonly [number, number]): [number, number] {
  if (scale === "log") {
    const decades = Math.log10(high / low);
    return decades < 0.1 ? [low / 10 ** 0.05, high * 10 ** 0.05] : [low, high];
  }
  const air = Math.max((high - low) * 0.05, Math.abs(high) * 1e-6, Number.MIN_VALUE);
  return [low >= 0 && low - air < 0 ? low : low - air, high + air];
}
