import {
  definitions,
  ONE_TEXT_LIMIT,
  PERPLEXITY_LIMITS,
  processLine,
  READING_TIME_LIMIT,
  runNotes,
} from "../../comparison/comparison-notes.js";
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
    limits: [ONE_TEXT_LIMIT, ...PERPLEXITY_LIMITS, READING_TIME_LIMIT],
    settings: [
      ["text", `${text.name}, SHA-256 ${text.sha256}`],
      ["seed", String(settings.seed)],
    ],
  };
}
