import { formatCount, formatDuration } from "../../report/numbers.js";
import type { ReportSection } from "../../report/report-section.js";
import { BLOCK_TOKENS, NLL_TOLERANCE } from "./passes.js";
import type { SoakResults } from "./soak-results.js";
import { memoryChart, passChart, timeChart } from "./soak-charts.js";
import { passTable, segmentTable, verdictTable } from "./soak-tables.js";
import { describeLikelihood, describeMemory, describeSideBySide, describeTime } from "./soak-verdicts.js";
import { describeBounds, describeCount } from "./soak-words.js";

/** A soak for the reader. */
export function describeSoak(results: SoakResults): ReportSection {
  const { text, settings, read, sessions, peakCells } = results;
  return {
    title: `${formatCount(read)} tokens through one stream`,
    lead:
      `${text.name}, ${formatCount(text.tokens)} tokens, read again and again by ${settings.policy.name} in ${formatCount(settings.budget)} cells: ` +
      `${formatCount(read)} tokens in ${formatDuration(results.milliseconds)}, in ${describeCount(sessions.length, "session")}; ` +
      `${formatCount(peakCells)} cells at most in use.`,
    verdicts: [
      describeSideBySide(results),
      describeTime(results),
      describeMemory(results),
      describeLikelihood(results),
    ],
    notes: describeNotes(results),
    charts: [timeChart(results), memoryChart(results), passChart(results)],
    tables: [verdictTable(results), segmentTable(results), passTable(results)],
    definitions: defineTerms(results),
    limits: [
      "The rules are stated before the run and are no tests of a hypothesis: flat says that the interval lies within the bounds, not shown that this run cannot tell.",
      "Time per token along the soak is also that of the machine: what else ran on it in the first or the last tenth is in the ratio. Only the comparison with a young stream, in turns, is free of that.",
      "Memory is that of the whole process, the garbage of its runtime included. A leak that is smaller than what is allowed in the tokens read is not seen.",
      "The text comes again and again. Where the tokens of a pass are a multiple of the stride, every pass is evicted at the same places, and its difference is rounding alone; else passes begin at other places of the stride, and small differences are real.",
      "That the likelihood stays the same does not show that the stream remembers: what was evicted is gone.",
    ],
    settings: [
      ["text", `${text.name}, ${formatCount(text.tokens)} tokens a pass, sha256 ${text.sha256}`],
      ["tokens", formatCount(settings.tokens)],
      ["budget", `${formatCount(settings.budget)} cells`],
      ["policy", JSON.stringify(settings.policy.description)],
      ["tokens of a chunk", formatCount(settings.chunk)],
      ["seed of the intervals", String(settings.seed)],
    ],
  };
}

function describeNotes({ partial, sessions, warnings, read, passes, settings }: SoakResults): string[] {
  const notes = [...warnings];
  if (partial) {
    notes.unshift(
      read < settings.tokens
        ? `Partial: stopped at token ${formatCount(read)} of ${formatCount(settings.tokens)}. Every figure is over what had been read.`
        : "Partial: all was read, and stopped before the comparison with a young stream was over.",
    );
  }
  if (sessions.length > 1)
    notes.push(
      `The soak was interrupted ${sessions.length === 2 ? "once" : `${sessions.length - 1} times`} and went on from a checkpoint, at token ` +
        `${sessions
          .slice(1)
          .map(({ start }) => formatCount(start))
          .join(", ")}. Memory is compared within the longest session: a leak of one process ends with it.`,
    );
  if (passes.some(({ meanNll }) => meanNll === null))
    notes.push("Likelihoods that are not finite: the passes that have them are not compared.");
  return notes;
}

function defineTerms({ settings, text }: SoakResults): ReportSection["definitions"] {
  const chunk = formatCount(settings.chunk);
  return [
    {
      term: "ms/token",
      meaning:
        `time of the scoring of a chunk of ${chunk} tokens over its tokens; mean, p50 and p95 are over chunks. Chunks before the cache was full, the first ` +
        "of a session, and those that were cut short by a stop are left out.",
    },
    {
      term: "old : young stream",
      meaning:
        `at its end the stream and a fresh one with the same policy, which has read the text just before (10,000 tokens or two budgets, whichever is more, as far as there are so many), read the same chunks in turns: old, young, young, old. The ratio is exp of the ` +
        `mean logarithm of the ratios, its interval a moving-block bootstrap over these rounds (seed ${settings.seed}).`,
    },
    {
      term: "last : first tenth",
      meaning:
        "mean ms/token of the chunks in the last tenth over that in the first after the fill, of at most 100,000 tokens. The intervals of both, moving-block bootstraps " +
        "over chunks, make that of the ratio. Flat: the whole interval lies within " +
        `${describeBounds()}. Grew, fell: all of it lies above, below. Not shown: anything else, an interval that needs more chunks included.`,
    },
    {
      term: "resident memory",
      meaning:
        "bytes that the process holds, after each chunk. Compared are the medians of the last and the second tenth of the longest session. Flat: they differ by at most 2 % or 8 MiB.",
    },
    {
      term: "pass − pass 2",
      meaning:
        `mean difference of the negative log-likelihoods of the same tokens, in blocks of ${BLOCK_TOKENS} (the last ${text.tokens % BLOCK_TOKENS} tokens of the text make none), with a ` +
        "moving-block bootstrap over blocks. Pass 1 begins with an empty cache, so pass 2 is the reference. Flat: the intervals of all passes that have one lie within " +
        `±${NLL_TOLERANCE}. Drifted: that of one lies wholly beyond. Not shown: anything else.`,
    },
    { term: "cells", meaning: "most cached tokens in use." },
    {
      term: "session",
      meaning:
        "what one process read. Times of all sessions are added up; what a kill undid, back to the last checkpoint, is not in them.",
    },
  ];
}
