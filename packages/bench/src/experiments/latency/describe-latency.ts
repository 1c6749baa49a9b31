import { formatCount, formatDuration, formatNumber } from "../../report/numbers.js";
import type { Definition, ReportSection } from "../../report/report-section.js";
import { LENGTH_TOLERANCE } from "./compare-latencies.js";
import { latencyCharts, ratioStrides } from "./latency-charts.js";
import { formatReach, latencyTables } from "./latency-tables.js";
import { judgeLatency } from "./judge-latency.js";
import type { LatencyBudget, LatencyResults } from "./latency-results.js";

/** What the report says of a latency measurement. */
export function describeLatency(results: LatencyResults): ReportSection {
  const { settings, text } = results;
  const tokens = results.budgets.flatMap(({ rows }) => rows).reduce((sum, row) => sum + row.tokens, 0);
  return {
    title: "Time per token over the budget",
    lead:
      `${formatCount(tokens)} tokens of ${text.name} decoded one at a time and timed, budgets of ${settings.budgets.map(formatCount).join(", ")} cells, ` +
      `${formatDuration(results.milliseconds)} in all.`,
    verdicts: judgeLatency(results),
    notes: latencyNotes(results),
    charts: latencyCharts(results),
    tables: latencyTables(results),
    definitions: latencyDefinitions(results),
    limits: LIMITS,
    settings: [
      ["text", `${text.name}, SHA-256 ${text.sha256}`],
      ["strides", ratioStrides(results).map(formatCount).join(", ")],
      ["time allowed", `${formatNumber(settings.minutes, 2)} min`],
      ["precision asked for", `±${formatNumber(settings.precision * 100, 2)} %`],
      ["seed", String(settings.seed)],
    ],
  };
}

function latencyNotes({ partial, budgets, settings, quality }: LatencyResults): string[] {
  const notes: string[] = [];
  if (partial)
    notes.push(
      "Partial: the measurement was stopped before its end. Every figure is over what had been measured.",
    );
  for (const budget of budgets) notes.push(...budgetNotes(budget, settings.precision));
  if (!quality) return notes;
  if (quality.reason !== null) notes.push(sentence(`No perplexity: ${quality.reason}`));
  for (const { contender, reason } of quality.rows) {
    if (reason !== null) notes.push(sentence(`No perplexity of ${contender}: ${reason}`));
  }
  return notes;
}

function budgetNotes({ budget, rows }: LatencyBudget, precision: number): string[] {
  const where = `at ${formatCount(budget)} cells`;
  const notes: string[] = [];
  const reasons = new Map<string, string[]>();
  for (const { contender, status, reason, warnings } of rows) {
    const became = `${status === "failed" ? "failed" : "left out"} ${where}: ${reason}`;
    if (reason !== null) reasons.set(became, [...(reasons.get(became) ?? []), contender]);
    for (const warning of warnings) notes.push(`${contender} ${where}: ${warning}`);
  }
  for (const [became, contenders] of reasons) notes.push(sentence(`${contenders.join("; ")}: ${became}`));
  const short = rows.filter(({ units, reached }) => units > 0 && (reached === null || reached > precision));
  const measured = short.map(
    ({ contender, tokens, reached }) =>
      `${contender} (${formatCount(tokens)} tokens, reached ${formatReach(reached)})`,
  );
  if (short.length > 0)
    notes.push(`Less precise than asked (${formatReach(precision)}) ${where}: ${measured.join("; ")}.`);
  return notes;
}

/** Reasons come with a full stop where they are messages of errors. */
function sentence(text: string): string {
  return text.endsWith(".") ? text : `${text}.`;
}

function latencyDefinitions({ settings, quality }: LatencyResults): Definition[] {
  return [
    {
      term: "unit",
      meaning:
        "one whole stride at a full cache: one eviction, and as many tokens as it frees, appended one at a time as generating does. Of dense: the last " +
        "16 cells, taken off and read again, so that the cache is as long as the others' and nothing is evicted.",
    },
    {
      term: "ms/token",
      meaning:
        "time of all units over all their tokens. The first unit is not counted unless it takes more than 10 s. The contenders take turns, a unit each, so that a machine that becomes slower does so for all.",
    },
    {
      term: "95 % interval",
      meaning:
        `bootstrap of the units, in blocks as long as the automatic choice says (2000 samples, seed ${settings.seed}, widened for few units); none for fewer than 3. ` +
        "A contender measures until it reaches no further from the mean than asked, over at least 8 units, or its share of the time is over.",
    },
    { term: "p50, p95", meaning: "quantiles over units, each with its own time per token." },
    {
      term: "recompute : sink-window",
      meaning:
        "ratio of their ms/token at one budget and one stride; never across strides. Its interval follows from those of the two, taken as independent.",
    },
    {
      term: "slope",
      meaning:
        "least squares of the logarithm of that ratio over that of the budget, over the budgets whose ratio has an interval: 1 where the ratio doubles with the budget, 0 where it stays. " +
        "Its interval carries the intervals of the ratios over.",
    },
    {
      term: "sink-window : dense",
      meaning: `ratio of their ms/token, only where the cells that a token sees on average differ by at most ${LENGTH_TOLERANCE * 100} %: with a large stride the cache is shorter most of the time, and that is faster by itself.`,
    },
    {
      term: "evaluated/token",
      meaning:
        "tokens that the engine evaluated for each that was appended: budget / stride where survivors are evaluated again.",
    },
    {
      term: "memory",
      meaning:
        "context: what the engine allocates for one stream by its own account, the cache and its compute buffers. Resident: memory of the whole process before the streams of a budget are opened, and when all are filled; a stream: what opening and filling one added, the median. An engine may give small budgets the same memory.",
    },
    ...(quality
      ? [
          {
            term: "perplexity, cache full",
            meaning:
              `exp of the mean negative log-likelihood over the tokens from stream position ${formatCount(quality.budget)} on, the same for each; ` +
              "its ratio is of paired tokens, with an interval where they make 64 blocks of 128.",
          },
        ]
      : []),
  ];
}

const LIMITS = [
  "Times are of one machine, one engine and one model, under the load of that hour. They say nothing of another device.",
  "The paper's 22.2× is one A6000 with Llama-2-13B in eager Hugging Face Transformers, recomputing at every token, at 4,096 cells. Direction and growth may be compared with it, the size may not.",
  "A recomputation at every token is what the paper compares with, and nobody has to do that: the fair rival is recompute at a larger stride, and the ratio at that stride.",
  "An interval covers chance within this run. That it also decides when to stop makes it a little too narrow.",
  "With equal strides both see the same number of cells. Across strides they do not: a larger stride is cheaper also because its cache is shorter most of the time.",
  "One text was read for the perplexities, and few tokens of it: differences of a few per cent may be chance where no interval says otherwise.",
];
