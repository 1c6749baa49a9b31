import Table from "cli-table3";
import picocolors from "picocolors";

import { describeExperiment } from "../experiments/describe-experiment.js";
import type { ExperimentResults } from "../results/results-file.js";
import type { TextTable } from "./report-section.js";
import { renderTerminalChart } from "./terminal-chart.js";

/** Options of {@link renderTerminal}. */
export interface RenderTerminalOptions {
  /** Columns of the charts. Defaults to 80. */
  readonly width?: number | undefined;
  /** Whether to colour. Defaults to false. */
  readonly colors?: boolean | undefined;
}

/** What an experiment found, for a terminal: charts, tables, verdicts, and what has to be known to read them. */
export function renderTerminal(results: ExperimentResults, options: RenderTerminalOptions = {}): string {
  const { width, colors = false } = options;
  const { bold, dim, yellow } = picocolors.createColors(colors);
  const section = describeExperiment(results);
  const { disclosure, name } = results.model;
  return [
    ...section.charts.map((chart) => renderTerminalChart(chart, { width, colors })),
    ...section.tables.map(
      (table) =>
        `${bold(table.caption)}\n${table.cells === "sentences" ? listSentences(table) : drawTable(table, colors)}`,
    ),
    section.verdicts.map((verdict) => bold(`→ ${verdict}`)).join("\n"),
    section.lead,
    section.notes.map((note) => yellow(`! ${note}`)).join("\n"),
    ...(disclosure === null ? [] : [`Model ${name}: ${disclosure}.`]),
    section.limits.map((limit) => dim(`Not shown: ${limit}`)).join("\n"),
    section.definitions.map(({ term, meaning }) => dim(`${term}: ${meaning}`)).join("\n"),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}
function drawTable({ columns, rows }: TextTable, colors: boolean): string {
  const table = new Table({
    head: [...columns],
    colAligns: columns.map((_, index) => (index === 0 ? "left" : "right")),
    style: {
      head: colors ? ["cyan"] : [],
      border: colors ? ["gray"] : [],
      "padding-left": 1,
      "padding-right": 1,
    },
    chars: {
      top: "",
      "top-mid": "",
      "top-left": "",
      "top-right": "",
      bottom: "",
      "bottom-mid": "",
      "bottom-left": "",
      "bottom-right": "",
      left: "",
      "left-mid": "",
      right: "",
      "right-mid": "",
      mid: "",
      "mid-mid": "",
      middle: " ",
    },
  });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

/** Sentences one under the other: a terminal is too narrow for columns of them. */
function listSentences({ columns, rows }: TextTable): string {
  return rows
    .map(([name = "", ...others]) =>
      [name, ...others.map((cell, index) => `  ${columns[index + 1] ?? ""}: ${cell}`)].join("\n"),
    )
    .join("\n");
}
