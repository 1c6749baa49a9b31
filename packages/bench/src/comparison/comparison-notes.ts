import { formatCount, formatDuration, formatMebibytes } from "../report/numbers.js";
import type { Definition } from "../report/report-section.js";
import type { Comparison } from "./comparison-schema.js";
import { referenceName } from "./comparison-tables.js";

/** What the reader of these figures has to know of this very run: warnings, failures and what is missing. */
export function runNotes(comparison: Comparison): string[] {
  const { policies, settings, text, compared, partial } = comparison;
  const notes: string[] = [];
  if (partial)
    notes.push(
      "Partial: the run was stopped before the end of the text. Every figure is over what had been read.",
    );
  if (!compared) {
    const evicted = policies.some(({ evictions }) => evictions > 0);
    notes.push(
      evicted
        ? "Not every policy has read past the point where the cache is full, so none is compared there."
        : `The text (${formatCount(text.tokens)} tokens) is shorter than the budget (${formatCount(settings.budget)} cells), or ` +
            "was not read so far: nothing was evicted, and the policies do the same.",
    );
  }
  const short = policies.find(({ ratio }) => ratio && !ratio.interval)?.ratio;
  if (short) {
    notes.push(
      `Too short for an interval: ${formatCount(short.tokens)} tokens hold ${short.blocks} blocks of ${short.blockLength}, and an interval ` +
        "takes at least 64. Read more tokens.",
    );
  }
  for (const { name, error, warnings, tokens } of policies) {
    if (error)
      notes.push(`${name} stopped after ${formatCount(tokens)} tokens (${error.code}): ${error.message}`);
    for (const warning of warnings) notes.push(`${name}: ${warning}`);
  }
  return notes;
}

/** How the figures are defined, one entry a term. */
export function definitions(comparison: Comparison): Definition[] {
  const { compared, settings } = comparison;
  const memory =
    settings.meanCells === null
      ? "Equal memory means equal peaks."
      : `Budgets were chosen so that the mean is ${formatCount(settings.meanCells)}; the peaks differ.`;
  const where = compared
    ? `stream positions ${formatCount(compared.start)} to ${formatCount(compared.end - 1)}, the same tokens for every policy`
    : `stream positions from ${formatCount(settings.budget)} on, the same tokens for every policy`;
  return [
    {
      term: "perplexity, cache full",
      meaning: `exp of the mean negative log-likelihood over ${where}; fewer for a policy that stopped before.`,
    },
    {
      term: "perplexity, all tokens",
      meaning:
        "the same over every token read. The very first token of a stream is left out when nothing predicts it.",
    },
    {
      term: "ratio",
      meaning:
        `perplexity over that of ${referenceName(comparison) ?? "the reference"} on the tokens that both read with a full cache. The 95 % interval is a moving-block bootstrap of the ` +
        `paired differences (blocks of at least 128 tokens and at least 64 blocks, 2000 samples, seed ${settings.seed}, widened for few blocks).`,
    },
    {
      term: "stride",
      meaning:
        "one eviction and the tokens read until the next; the column is the number of cells that an eviction frees.",
    },
    {
      term: "ms/token",
      meaning:
        "time of a whole stride over its tokens, only complete strides with a full cache. Mean: all time over all tokens. p50 and p95: over strides. " +
        "A policy that never evicts is timed over its plain steps from the same position on, which decode many tokens at once.",
    },
    {
      term: "cost",
      meaning: "mean ms/token over that of the reference, only between policies of equal stride.",
    },
    {
      term: "tokens/s",
      meaning: "tokens read over the time spent on them, the filling of the cache included.",
    },
    {
      term: "evaluated/token",
      meaning:
        "tokens that the engine evaluated for each that made room for another: 1, and about budget / stride where survivors are evaluated again.",
    },
    {
      term: "cells",
      meaning: `cached tokens: the most ever in use, and the mean that a token could see once the cache was full. ${memory}`,
    },
    {
      term: "context MiB",
      meaning: "what the engine allocated for this stream: the cache and its compute buffers.",
    },
  ];
}

/** Memory and time of the process, in a line. */
export function processLine({ residentBytes, milliseconds }: Comparison): string {
  const time = `${formatDuration(milliseconds)} in all`;
  if (!residentBytes) return time;
  const { start, peak, end } = residentBytes;
  const [atStart, atPeak, atEnd] = [start, peak, end].map(formatMebibytes);
  return `${time}; resident memory of the whole process ${atStart ?? ""} MiB at the start, ${atPeak ?? ""} at the peak, ${atEnd ?? ""} at the end`;
}

/** What one text does not show. */
export const ONE_TEXT_LIMIT =
  "One text was read. The interval says how far the ratio may be due to chance within this text; it says nothing of other texts, other books or other languages.";

/** What several texts do not show. */
export const SEVERAL_TEXTS_LIMIT =
  "The intervals over texts take these for a random sample of their kind, which texts that one happens to have are not.";

/** What perplexity does not show. */
export const PERPLEXITY_LIMITS = [
  "The models are not the paper's. What it measured on Llama-2, MPT, Falcon and Pythia is neither confirmed nor refuted here; the direction of an effect may be compared, its size may not.",
  "Perplexity says how well the next token is predicted. It does not show that a policy remembers anything: evicted text is gone under every one of them.",
];

/** What times of reading do not show. */
export const READING_TIME_LIMIT =
  "Times are of this machine, this engine and this load, for reading given text. Writing new text decodes one token at a time whatever the stride.";

/** How the intervals of token series come about. */
export function bootstrapDefinition(seed: number): string {
  return `moving-block bootstrap, of the paired differences where two are compared: blocks of at least 128 tokens, at least 64 of them, 2000 samples, seed ${seed}, widened for few blocks.`;
}
