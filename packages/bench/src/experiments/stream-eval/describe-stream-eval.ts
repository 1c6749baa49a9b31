import { formatCount, formatDuration, formatNumber } from "../../report/numbers.js";
import type { ReportSection } from "../../report/report-section.js";
import type { StreamEvalPolicy, StreamEvalResults } from "./stream-eval-results.js";
import {
  accuracyByDistanceChart,
  marginByDistanceChart,
  marginOverStreamChart,
} from "./stream-eval-charts.js";
import { distanceTable, flatnessTable, placeTable } from "./stream-eval-tables.js";
import { describeAccuracy, describeMargin } from "./stream-eval-words.js";
import { EQUIVALENCE, FLAT_SHARE } from "./summarize-answers.js";

/** What the report says of how policies answer for earlier lines of a stream. */
export function describeStreamEval(results: StreamEvalResults): ReportSection {
  const { record, settings, milliseconds, policies } = results;
  const hasAccuracy = policies.some(({ answers }) => answers.some(({ tokensRight }) => tokensRight !== null));
  return {
    title: "Does it answer for earlier lines?",
    lead:
      `A stream of ${formatCount(record.lines)} numbered lines (${formatCount(record.tokens)} tokens, ` +
      `${formatNumber(record.tokens / settings.budget)} times the budget of ${formatCount(settings.budget)} cells) with ` +
      `${formatCount(record.queries.length)} queries for the ${settings.digits} digits of an earlier line; ${formatDuration(milliseconds)}.`,
    verdicts: policies.filter(({ answers }) => answers.length > 0).map(describePolicy),
    notes: notesOf(results),
    charts: [
      marginByDistanceChart(results),
      ...(hasAccuracy ? [accuracyByDistanceChart(results)] : []),
      marginOverStreamChart(results),
    ],
    tables: [placeTable(results), distanceTable(results), flatnessTable(results)],
    definitions: definitionsOf(results),
    limits: [
      "Evicted text is gone, but not without a trace: cells that were computed while the value was there carry something of it in their own keys and values. In a window the last of these leave two budgets after the value, and what they handed on lasts longer. The margin outside of the cache measures just this, and none means less than a bound, not zero.",
      "The record is made by the description and the figure of the paper, whose own data and code were never published. The models are not the paper's, so its accuracies are not comparable; the cliff at the edge of the cache is.",
      "A margin says that the value is seen, not that the model would say it. A model that is too weak to answer can have a margin and no accuracy.",
      "The values are the same for every policy, and one record was read. The intervals take queries for independent draws.",
      ...(settings.digits < 4
        ? [
            "With so few digits a value stands in several lines, so that a guess at what is in the cache is right more often than by chance.",
          ]
        : []),
    ],
    settings: [
      ["budget", `${formatCount(settings.budget)} cells`],
      ["distances", `${settings.distances.join(", ")} lines`],
      ["query after every", `${settings.every} lines`],
      ["digits", String(settings.digits)],
      ["queries with a margin", formatCount(settings.margins)],
      ["accuracy", settings.accuracy ? "measured" : "left out"],
      ["seed", String(settings.seed)],
    ],
  };
}

const RECALL = {
  shown: "sees what is in the cache",
  "not shown": "is not shown to see what is in the cache",
} as const;
const LEAK = {
  none: "none outside of it",
  something: "something outside of it",
  "not shown": "not shown to be none outside of it",
} as const;
const FLATNESS = {
  flat: "flat over the stream",
  falls: "falling over the stream",
  grows: "growing over the stream",
  "not shown": "not shown to be flat over the stream",
} as const;

function describePolicy(policy: StreamEvalPolicy): string {
  const { name, inside, outside, recall, leak, flatness } = policy;
  const parts = [
    recall && `${RECALL[recall]}, with a margin of ${describeMargin(inside.margin)} nats`,
    leak && `${LEAK[leak]}, ${describeMargin(outside.margin)} nats`,
    flatness && FLATNESS[flatness.verdict],
    inside.right !== null && `${describeAccuracy(inside)} right inside`,
    outside.right !== null && `${describeAccuracy(outside)} right outside`,
  ].filter((part) => typeof part === "string");
  return `${name}: ${parts.length === 0 ? "nothing to judge" : parts.join("; ")}.`;
}

function notesOf({ partial, policies, settings, record }: StreamEvalResults): string[] {
  const notes: string[] = [];
  if (partial)
    notes.push("Partial: the run was stopped before the end of the stream. Figures are over what was read.");
  if (record.tokens < settings.budget)
    notes.push("The stream is shorter than the budget: nothing was evicted, and the policies do the same.");
  for (const { name, error, tokens, warnings, marginProblem, otherCells, inside, outside } of policies) {
    if (error)
      notes.push(`${name} stopped after ${formatCount(tokens)} tokens (${error.code}): ${error.message}`);
    if (marginProblem !== null) notes.push(`${name} has no margins: ${marginProblem}`);
    if (otherCells > 0)
      notes.push(
        `${name}: in ${formatCount(otherCells)} of the margins the stream with the other value held other cells, as its evictions depend on what is read.`,
      );
    if (inside.queries + outside.queries > 0 && inside.queries * outside.queries === 0)
      notes.push(
        `${name}: no value was ${inside.queries === 0 ? "inside" : "outside"} of the cache when asked for. Choose other distances.`,
      );
    for (const warning of warnings) notes.push(`${name}: ${warning}`);
  }
  return notes;
}

function definitionsOf({ settings }: StreamEvalResults): ReportSection["definitions"] {
  const chance = formatNumber(100 * 10 ** -settings.digits, 1);
  return [
    {
      term: "query",
      meaning: `after every ${settings.every} lines, for the value of a line so many lines before the last, each line at most once. The stream goes on with the right answer, whatever the model would have said.`,
    },
    {
      term: "distance",
      meaning:
        "lines between the line asked for and the last before the query; in tokens, from the first of the value to the last before the answer: the cells that a window needs to still hold it.",
    },
    {
      term: "inside, outside, partial",
      meaning:
        "whether all cells of the value in its line are in the cache right before its answer and after it, none before it, or anything else, by the stream positions of the cells.",
    },
    {
      term: "accuracy",
      meaning: `share of queries where each token of the value is the likeliest after those before it; the bracket in front is given. By chance ${chance} %. Wilson intervals.`,
    },
    {
      term: "tokens right",
      meaning:
        "share of the single tokens of the values that are the likeliest, each after the right ones before it.",
    },
    {
      term: "NLL",
      meaning: `negative log-likelihood of the whole value, mean over queries; ${formatNumber(settings.digits * Math.log(10))} for digits that are all alike likely.`,
    },
    {
      term: "margin",
      meaning:
        "log-likelihood of the value in the answer, minus that in a copy of the stream where the line asked for has another value of as many tokens and all else is the same. 0 where the value left no trace. Student's t intervals over queries.",
    },
    {
      term: "verdicts",
      meaning:
        `inside: seen when the interval of the margin lies above 0. Outside: none when it lies within ±${EQUIVALENCE} nats, something when beyond. Over the stream: from where the caches ` +
        `are full, the margin inside in the last quarter minus that in the first; flat when the interval of the difference includes 0 and stays within ±${100 * FLAT_SHARE} % of the mean margin, falling or growing when it lies on one side of 0.`,
    },
  ];
}
