import Table from "cli-table3";
import picocolors from "picocolors";

import type { Results } from "../results/schema.js";
import { definitions, processLine, runNotes } from "./notes.js";
import { costTable, qualityTable, type TextTable } from "./tables.js";

/** Options of {@link renderTable}. */
export interface RenderTableOptions {
  /** Whether to colour. Defaults to false. */
  readonly colors?: boolean | undefined;
}

/** The figures as tables for a terminal, with what has to be known to read them. */
export function renderTable(results: Results, { colors = false }: RenderTableOptions = {}): string {
  const { bold, dim, yellow } = picocolors.createColors(colors);
  const draw = (table: TextTable): string => `${bold(table.caption)}\n${drawTable(table, colors)}`;
  const notes = runNotes(results).map((note) => yellow(`! ${note}`));
  const meanings = definitions(results).map(({ term, meaning }) => dim(`${term}: ${meaning}`));
  const disclosure = results.model.disclosure;
  return [
    draw(qualityTable(results)),
    draw(costTable(results)),
    processLine(results),
    ...(notes.length > 0 ? [notes.join("\n")] : []),
    ...(disclosure === null ? [] : [`Model ${results.model.name}: ${disclosure}.`]),
    meanings.join("\n"),
  ].join("\n\n");
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
