import {
  bootstrapDefinition,
  definitions,
  ONE_TEXT_LIMIT,
  PERPLEXITY_LIMITS,
  runNotes,
} from "../../comparison/comparison-notes.js";
import type { Comparison } from "../../comparison/comparison-schema.js";
import {
  formatCount,
  formatDuration,
  formatInterval,
  formatNumber,
  formatTimes,
} from "../../report/numbers.js";
import type { Chart, Definition, ReportSection, TextTable } from "../../report/report-section.js";
import { ENOUGH_NATS, NEED_THRESHOLDS, referenceSinks, USUAL_SINKS } from "./judge-sinks.js";
import { nameOf } from "./measure-sinks.js";
import type { ProbeResults, SinkDifference, SinkNeed, SinksResults } from "./sinks-results.js";

/** What the report says of numbers of sinks, with the controls. */
export function describeSinks(results: SinksResults): ReportSection {
  const { comparison, controls, need, settings } = results;
  const reference = nameOf(referenceSinks(settings.sinks));
  return {
    ...sectionOf(results),
    title: "How many first tokens, and why the first",
    verdicts: [
      ...adviceOf(need, settings.sinks),
      ...controls.map(
        ({ name, draws, ratio, interval }) =>
          `${USUAL_SINKS} ${name} instead of the first ones: ${formatTimes(ratio)} the perplexity with ${reference}, ${draws} draws (95 % interval over draws ${formatInterval(interval)}).`,
      ),
      ...comparison.policies
        .filter(({ name, ratio }) => name.startsWith("line breaks") && ratio !== null)
        .map(
          ({ name, ratio }) =>
            `${capitalize(name)} instead of the first ${USUAL_SINKS} tokens: ${formatTimes(ratio?.value ?? null)} the perplexity with ${reference} (${formatInterval(ratio?.interval ?? null)}).`,
        ),
    ],
  };
}

/** What the report says of whether a model needs sinks. */
export function describeProbe(results: ProbeResults): ReportSection {
  return {
    ...sectionOf(results),
    title: "Does this model need sinks?",
    verdicts: adviceOf(results.need, results.settings.sinks),
  };
}

/** One line of advice, with its evidence behind it. */
function adviceOf({ need, withoutSinks, enough, most }: SinkNeed, counts: readonly number[]): string[] {
  if (!counts.includes(0)) return ["Unknown: nothing was read without sinks."];
  if (!withoutSinks) return ["Unknown: too little was read with a full cache."];
  if (need === "unknown")
    return [`No verdict: leaving the sinks out costs ${formatDifference(withoutSinks)}.`];
  const loss = `leaving them out costs ${formatDifference(withoutSinks)}`;
  const window =
    withoutSinks.nats > -NEED_THRESHOLDS.mild
      ? "A plain window will do; sinks cost it nothing either."
      : "A plain window does better.";
  const advice = {
    none: `This model needs no sinks: ${loss}. ${window}`,
    mild: `This model uses sinks, but does not hang on them: ${loss}. Keep ${enough === null ? most : Math.max(1, enough.sinks)}.`,
    collapse: `This model collapses without sinks: ${loss}. Keep ${enough === null ? `at least ${most}` : Math.max(1, enough.sinks)}.`,
  }[need];
  const evidence = enough
    ? `${capitalize(nameOf(enough.sinks))} are within ${ENOUGH_NATS} nats of ${most}: the difference is ${formatDifference(enough)}.`
    : `No number of sinks that was tried comes within ${ENOUGH_NATS} nats of ${most}.`;
  return [advice, enough?.sinks === 1 ? evidence.replace(" are ", " is ") : evidence];
}

function formatDifference({ nats, interval }: SinkDifference): string {
  const bounds = interval ? `95 % interval ${formatInterval(interval)}` : "text too short for an interval";
  return `${formatNumber(nats)} nats a token (${bounds})`;
}

function sectionOf(results: SinksResults | ProbeResults): Omit<ReportSection, "title" | "verdicts"> {
  const { comparison, settings, milliseconds, need } = results;
  const { text } = comparison;
  const reference = nameOf(referenceSinks(settings.sinks));
  return {
    lead: `${formatCount(text.tokens)} tokens of ${text.name}, a budget of ${formatCount(settings.budget)} cells; ${formatDuration(milliseconds)}.`,
    notes: runNotes(comparison),
    charts: [chartOf(comparison, settings.sinks)],
    tables: [perplexityTable(comparison, reference), differenceTable(need, reference)],
    definitions: definitionsOf(comparison, reference),
    limits: [
      ONE_TEXT_LIMIT,
      ...PERPLEXITY_LIMITS,
      "A beginning-of-sequence token, where the model has one, is the first of the sinks.",
    ],
    settings: [
      ["budget", `${formatCount(settings.budget)} cells`],
      ["text", `${text.name}, SHA-256 ${text.sha256}`],
      ["seed", String(settings.seed)],
    ],
  };
}

function chartOf({ policies, text }: Comparison, counts: readonly number[]): Chart {
  return {
    title: "Perplexity over the number of sinks",
    caption: `Perplexity once the cache is full over the number of first tokens that stay, with intervals of 95 %: ${text.name}.`,
    x: { title: "sinks (tokens)", scale: "linear" },
    y: { title: "perplexity, cache full", scale: "log" },
    series: [
      {
        name: "first tokens and a window",
        mark: "line-with-points",
        points: counts.flatMap((sinks) => {
          const perplexity = policies.find(({ name }) => name === nameOf(sinks))?.perplexity;
          const value = perplexity?.full.value ?? null;
          if (value === null) return [];
          return [
            { x: sinks, y: value, lower: perplexity?.interval?.lower, upper: perplexity?.interval?.upper },
          ];
        }),
      },
    ],
  };
}

function perplexityTable({ policies }: Comparison, reference: string): TextTable {
  return {
    caption: "Perplexity, lower is better",
    columns: [
      "what stays beside the window",
      "cache full",
      "95 % interval",
      `ratio to ${reference}`,
      "95 % of the ratio",
    ],
    rows: policies.map(({ name, status, perplexity, ratio }) => [
      status === "complete" ? name : `${name} (${status})`,
      formatNumber(perplexity.full.value),
      formatInterval(perplexity.interval),
      name === reference ? "1 (reference)" : formatTimes(ratio?.value ?? null),
      formatInterval(ratio?.interval ?? null),
    ]),
  };
}

function differenceTable({ againstMost, withoutSinks, most }: SinkNeed, reference: string): TextTable {
  return {
    caption: "What is lost, in nats a token",
    columns: ["difference", "nats", "95 % interval", "blocks"],
    rows: [
      ...(withoutSinks ? [rowOf(`0 sinks minus ${reference}`, withoutSinks)] : []),
      ...againstMost.map((difference) => rowOf(`${nameOf(difference.sinks)} minus ${most}`, difference)),
    ],
  };
}

function rowOf(name: string, { nats, interval, blocks }: SinkDifference): string[] {
  return [name, formatNumber(nats), formatInterval(interval), formatCount(blocks)];
}

function definitionsOf(comparison: Comparison, reference: string): Definition[] {
  const [full] = definitions(comparison);
  return [
    ...(full ? [{ ...full, term: "cache full" }] : []),
    {
      term: "need",
      meaning:
        `what is lost with 0 sinks against ${reference}: below ${NEED_THRESHOLDS.mild} nats a token none, below ${NEED_THRESHOLDS.collapse} mild ` +
        "(in the paper Falcon and Pythia), above that collapse (MPT, Llama).",
    },
    {
      term: "enough",
      meaning: `the fewest sinks whose loss against the most that were tried lies below ${ENOUGH_NATS} nats a token, with its whole interval.`,
    },
    {
      term: "95 % interval",
      meaning: bootstrapDefinition(comparison.settings.seed),
    },
  ];
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
