import { formatCount } from "../report/numbers.js";
import type { Chart } from "../report/report-section.js";
import type { Comparison } from "./comparison-schema.js";

/** Running perplexity over the stream position, a line for each policy. */
export function perplexityChart(
  { policies, settings, text }: Comparison,
  trainedLength: number | null,
): Chart {
  const window = formatCount(settings.seriesWindow);
  return {
    title: `Perplexity of the last ${window} tokens over the stream position`,
    caption: `Perplexity of the last ${window} tokens over the stream position: ${text.name}, a budget of ${formatCount(settings.budget)} cells.`,
    x: { title: "stream position (tokens)", scale: "linear" },
    y: { title: `perplexity of the last ${window} tokens`, scale: "log" },
    series: policies.map(({ name, series }) => ({
      name,
      points: series.map(({ position, perplexity }) => ({ x: position, y: perplexity })),
    })),
    rules: [
      { axis: "x", at: settings.budget, label: "cache full" },
      ...(trainedLength === null ? [] : [{ axis: "x" as const, at: trainedLength, label: "trained length" }]),
    ],
  };
}
