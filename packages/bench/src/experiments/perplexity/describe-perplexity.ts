import {
  bootstrapDefinition,
  definitions,
  ONE_TEXT_LIMIT,
  PERPLEXITY_LIMITS,
  READING_TIME_LIMIT,
  runNotes,
  SEVERAL_TEXTS_LIMIT,
} from "../../comparison/comparison-notes.js";
import { perplexityChart } from "../../comparison/perplexity-chart.js";
import {
  formatCount,
  formatDuration,
  formatInterval,
  formatNumber,
  formatTimes,
} from "../../report/numbers.js";
import type { Chart, Definition, ReportSection, TextTable } from "../../report/report-section.js";
import { compareInWords, NON_INFERIORITY_MARGIN } from "../../statistics/compare-in-words.js";
import type { PerplexityResults } from "./perplexity-results.js";

/** What the report says of policies × budgets over texts. */
export function describePerplexity(results: PerplexityResults): ReportSection {
  const { settings, comparisons, budgets, model, milliseconds, partial } = results;
  const tokens = comparisons
    .filter(({ settings: { budget } }) => budget === settings.budgets[0])
    .reduce((sum, { text }) => sum + text.tokens, 0);
  return {
    title: "Perplexity",
    lead:
      `${formatCount(tokens)} tokens of ${settings.texts.join(", ")} at ${listBudgets(settings.budgets)}; ` +
      `${formatDuration(milliseconds)}.`,
    verdicts: verdictsOf(results),
    notes: [
      ...(partial ? ["Partial: the run was stopped. Every figure is over what had been read."] : []),
      ...settings.budgets.flatMap((budget) => notesOf(results, budget)),
    ],
    charts: [
      ...(budgets.length > 1 ? [chartOverBudgets(results)] : []),
      ...firstOfEachBudget(results).map((comparison) => perplexityChart(comparison, model.trainedLength)),
    ],
    tables: [
      ...budgets
        .filter(({ policies }) => policies.length > 0)
        .map(({ budget }) => tableOfBudget(results, budget)),
      ...(settings.texts.length > 1 ? [tableOfTexts(results)] : []),
    ],
    definitions: definitionsOf(results),
    limits: [
      settings.texts.length > 1 ? SEVERAL_TEXTS_LIMIT : ONE_TEXT_LIMIT,
      ...PERPLEXITY_LIMITS,
      READING_TIME_LIMIT,
    ],
    settings: [
      ["budgets", settings.budgets.map(formatCount).join(", ")],
      ...comparisons
        .filter(({ settings: { budget } }) => budget === settings.budgets[0])
        .map(
          ({ text }) =>
            ["text", `${text.name}, ${formatCount(text.tokens)} tokens, SHA-256 ${text.sha256}`] as const,
        ),
      ["compared with", settings.reference],
      ["seed of the intervals", String(settings.seed)],
    ],
  };
}

/** What has to be known of the readings at a budget; of which text it is, unless it is the same of all. */
function notesOf({ comparisons }: PerplexityResults, budget: number): string[] {
  const notes = comparisons
    .filter(({ settings }) => settings.budget === budget)
    .map((comparison) => ({
      text: comparison.text.name,
      notes: runNotes({ ...comparison, partial: false }),
    }));
  const [first, ...others] = notes;
  const common = first?.notes.filter((note) => others.every((other) => other.notes.includes(note))) ?? [];
  const own = notes.flatMap(({ text, notes: all }) =>
    all.filter((note) => !common.includes(note)).map((note) => `Budget ${budget}, ${text}: ${note}`),
  );
  return [...common.map((note) => `Budget ${budget}: ${note}`), ...own];
}

function listBudgets(budgets: readonly number[]): string {
  const named = budgets.map(formatCount).join(", ");
  return budgets.length === 1 ? `a budget of ${named} cells` : `budgets of ${named} cells`;
}

function verdictsOf({ budgets, settings }: PerplexityResults): string[] {
  return budgets.flatMap(({ budget, policies }) =>
    policies
      .filter(({ name, ratio }) => name !== settings.reference && ratio !== null)
      .map(({ name, ratio }) => {
        const words = compareInWords(name, settings.reference, ratio?.interval ?? null);
        return budgets.length > 1 ? `Budget ${formatCount(budget)}: ${words}` : words;
      }),
  );
}

function firstOfEachBudget({ comparisons, settings }: PerplexityResults): PerplexityResults["comparisons"] {
  return settings.budgets.flatMap((budget) => {
    const first = comparisons.find((comparison) => comparison.settings.budget === budget);
    return first ? [first] : [];
  });
}

function chartOverBudgets({ budgets, settings }: PerplexityResults): Chart {
  const names = [...new Set(budgets.flatMap(({ policies }) => policies.map(({ name }) => name)))];
  return {
    title: "Perplexity over the budget",
    caption: `Perplexity once the cache is full over the budget, with intervals of 95 %: ${settings.texts.join(", ")}. Each budget begins at its own stream position.`,
    x: { title: "budget (cells)", scale: "log" },
    y: { title: "perplexity, cache full", scale: "log" },
    series: names.map((name) => ({
      name,
      mark: "line-with-points",
      points: budgets.flatMap(({ budget, policies }) => {
        const row = policies.find((policy) => policy.name === name);
        const value = row?.perplexity ?? null;
        if (value === null) return [];
        return [{ x: budget, y: value, lower: row?.interval?.lower, upper: row?.interval?.upper }];
      }),
    })),
  };
}

function tableOfBudget({ budgets, comparisons, settings }: PerplexityResults, budget: number): TextTable {
  const pooled = budgets.find((one) => one.budget === budget)?.policies ?? [];
  const rows = comparisons.filter((comparison) => comparison.settings.budget === budget);
  return {
    caption: `Perplexity at a budget of ${formatCount(budget)} cells, lower is better`,
    columns: [
      "policy",
      "cache full",
      "95 % interval",
      "right after the fill",
      "all tokens",
      `ratio to ${settings.reference}`,
      "95 % of the ratio",
      "cells mean",
      ...(settings.texts.length > 1 ? ["texts"] : []),
    ],
    rows: pooled.map(({ name, texts, perplexity, interval, ratio }) => {
      const own = rows.flatMap(({ policies }) => policies.filter((policy) => policy.name === name));
      const first = own.length === 1 ? own[0] : undefined;
      return [
        name,
        formatNumber(perplexity),
        formatInterval(interval),
        formatNumber(first?.perplexity.afterFill.value),
        formatNumber(first?.perplexity.all.value),
        name === settings.reference ? "1 (reference)" : formatTimes(ratio?.value ?? null),
        formatInterval(ratio?.interval ?? null),
        formatNumber(own[0]?.meanCells, 4),
        ...(settings.texts.length > 1 ? [formatCount(texts)] : []),
      ];
    }),
  };
}

function tableOfTexts({ comparisons, settings }: PerplexityResults): TextTable {
  return {
    caption: "Text by text",
    columns: [
      "text",
      "budget",
      "policy",
      "tokens",
      "cache full",
      `ratio to ${settings.reference}`,
      "95 % of the ratio",
    ],
    rows: comparisons.flatMap(({ text, settings: { budget }, policies }) =>
      policies.map(({ name, perplexity, ratio }) => [
        text.name,
        formatCount(budget),
        name,
        formatCount(perplexity.full.tokens),
        formatNumber(perplexity.full.value),
        name === settings.reference ? "1 (reference)" : formatTimes(ratio?.value ?? null),
        formatInterval(ratio?.interval ?? null),
      ]),
    ),
  };
}

function definitionsOf({ settings, comparisons }: PerplexityResults): Definition[] {
  const [first] = comparisons;
  const [full, all] = first ? definitions(first) : [];
  const several = settings.texts.length > 1;
  return [
    ...(full && comparisons.length === 1 ? [{ ...full, term: "cache full" }] : []),
    ...(comparisons.length > 1
      ? [
          {
            term: "cache full",
            meaning:
              "exp of the mean negative log-likelihood over the stream positions from the budget on, the same tokens for every policy of one text and budget.",
          },
        ]
      : []),
    {
      term: "right after the fill",
      meaning: "the same over the first four budgets of tokens after the fill.",
    },
    ...(all ? [{ ...all, term: "all tokens" }] : []),
    {
      term: "ratio",
      meaning: several
        ? "perplexity over that of the reference on the tokens that both read with a full cache. Texts are clusters: the 95 % intervals are Student's t over texts, weighted by their tokens."
        : "perplexity over that of the reference on the tokens that both read with a full cache.",
    },
    ...(several ? [] : [{ term: "95 % interval", meaning: bootstrapDefinition(settings.seed) }]),
    {
      term: "not inferior",
      meaning: `said only when the whole interval of the ratio lies below ${NON_INFERIORITY_MARGIN}.`,
    },
    {
      term: "cells mean",
      meaning:
        "cells that a token could see on average once the cache was full; equal memory means equal peaks.",
    },
  ];
}
