import {
  bootstrapDefinition,
  definitions,
  ONE_TEXT_LIMIT,
  PERPLEXITY_LIMITS,
  READING_TIME_LIMIT,
  runNotes,
} from "../../comparison/comparison-notes.js";
import {
  formatCount,
  formatDuration,
  formatInterval,
  formatNumber,
  formatTimes,
} from "../../report/numbers.js";
import type { ReportSection } from "../../report/report-section.js";
import { compareInWords } from "../../statistics/compare-in-words.js";
import type { BudgetsResults } from "./budgets-results.js";
import { nameOf } from "./measure-budgets.js";

/** What the report says of one policy at several budgets. */
export function describeBudgets({ settings, comparison, milliseconds }: BudgetsResults): ReportSection {
  const { text, policies } = comparison;
  const largest = nameOf(settings.budgets.at(-1) ?? 0);
  const [full] = definitions(comparison);
  return {
    title: "Does a larger cache help?",
    lead: `${settings.policy} reads ${formatCount(text.tokens)} tokens of ${text.name}; ${formatDuration(milliseconds)}.`,
    verdicts: policies.flatMap(({ name, ratio }) =>
      ratio && name !== largest ? [compareInWords(name, largest, ratio.interval)] : [],
    ),
    notes: runNotes(comparison),
    charts: [
      {
        title: "Perplexity over the budget",
        caption: `Perplexity over the budget, on the same tokens for all, with intervals of 95 %: ${settings.policy}, ${text.name}.`,
        x: { title: "budget (cells)", scale: "log" },
        y: { title: "perplexity, largest cache full", scale: "linear" },
        series: [
          {
            name: settings.policy,
            mark: "line-with-points",
            points: policies.flatMap(({ budget, perplexity: { full: own, interval } }) =>
              budget === null || own.value === null
                ? []
                : [{ x: budget, y: own.value, lower: interval?.lower, upper: interval?.upper }],
            ),
          },
        ],
      },
    ],
    tables: [
      {
        caption: "Perplexity, lower is better",
        columns: [
          "budget",
          "perplexity",
          "95 % interval",
          `ratio to ${largest}`,
          "95 % of the ratio",
          "ms/token read",
        ],
        rows: policies.map(({ name, status, perplexity, ratio, millisecondsPerToken }) => [
          status === "complete" ? name : `${name} (${status})`,
          formatNumber(perplexity.full.value),
          formatInterval(perplexity.interval),
          name === largest ? "1 (reference)" : formatTimes(ratio?.value ?? null),
          formatInterval(ratio?.interval ?? null),
          formatNumber(millisecondsPerToken?.mean),
        ]),
      },
    ],
    definitions: [
      ...(full ? [{ ...full, term: "perplexity" }] : []),
      {
        term: "95 % interval",
        meaning: bootstrapDefinition(settings.seed),
      },
      {
        term: "ms/token read",
        meaning: "time of whole strides over their tokens, reading given text in batches.",
      },
    ],
    limits: [
      ONE_TEXT_LIMIT,
      ...PERPLEXITY_LIMITS,
      READING_TIME_LIMIT,
      "A larger cache need not predict better: the paper's table 6 is not monotone either.",
    ],
    settings: [
      ["policy", settings.policy],
      ["budgets", settings.budgets.map(formatCount).join(", ")],
      ["text", `${text.name}, SHA-256 ${text.sha256}`],
      ["seed", String(settings.seed)],
    ],
  };
}
