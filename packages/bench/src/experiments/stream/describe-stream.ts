import { COMPARISON_LIMITS, definitions, processLine, runNotes } from "../../comparison/comparison-notes.js";
import { costTable, qualityTable } from "../../comparison/comparison-tables.js";
import { perplexityChart } from "../../comparison/perplexity-chart.js";
import { formatCount } from "../../report/numbers.js";
import type { ReportSection } from "../../report/report-section.js";
import type { StreamResults } from "./stream-results.js";

/** What the report says of a comparison on one text. */
export function describeStream(results: StreamResults): ReportSection {
  const { model, settings, text } = results;
  return {
    title: "Policies side by side",
    lead:
      `${formatCount(text.tokens)} tokens of ${text.name}, a budget of ${formatCount(settings.budget)} cells, ` +
      `${processLine(results)}.`,
    verdicts: [],
    notes: runNotes(results),
    charts: [perplexityChart(results, model.trainedLength)],
    tables: [qualityTable(results), costTable(results)],
    definitions: definitions(results),
    limits: COMPARISON_LIMITS,
    settings: [
      ["text", `${text.name}, SHA-256 ${text.sha256}`],
      ["seed", String(settings.seed)],
    ],
  };
}
