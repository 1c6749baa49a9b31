import {
  formatCount,
  formatInterval,
  formatMebibytes,
  formatNumber,
  formatTimes,
} from "../../report/numbers.js";
import type { Interval } from "../../results/header.js";
import { NON_INFERIORITY_MARGIN } from "../../statistics/compare-in-words.js";
import { ENOUGH_NATS, NEED_THRESHOLDS, USUAL_SINKS } from "../sinks/judge-sinks.js";
import type { StreamEvalGroup, StreamEvalPolicy } from "../stream-eval/stream-eval-results.js";
import type { Found } from "./found.js";
import type { ReproducedRow } from "./reproduce-results.js";

/** What was measured, and whether the rule holds for it. */
export type Judgement = Pick<ReproducedRow, "ours" | "verdict" | "why">;

/** Less than this share of what leaving the sinks out costs counts as nearly nothing. */
export const NEARLY_NOTHING = 0.1;
/** How much more of the trained length must have been read for a failure to show. */
export const BEYOND_TRAINED = 1.25;
/** Fewest tokens that say something of an endless stream, and fewest budgets of StreamEval. */
export const LONG_STREAM = 1_000_000;
export const LONG_RECORD = 20;

const NOT_RUN: Judgement = { ours: "not run", verdict: "not comparable", why: "The experiment was not run." };
const TOO_SHORT = "The text was too short for an interval.";
/** What a margin outside of the cache says only where one shows inside. */
const NOTHING_SEEN = "Nothing is shown to be seen inside of the cache, so that nothing outside says nothing.";

/** A policy against sink-window at the smallest budget, over all texts. */
function findRatio(
  found: Found,
  policy: string,
): { readonly ours: string; readonly interval: Interval } | Judgement {
  const results = found.of("perplexity");
  const [pooled] = [...(results?.budgets ?? [])].sort((one, other) => one.budget - other.budget);
  const [row, reference] = [policy, "sink-window"].map((name) =>
    pooled?.policies.find((one) => one.name === name),
  );
  if (!results || !pooled || !row || !reference) return NOT_RUN;
  const own = results.comparisons.flatMap(({ policies }) => policies.filter(({ name }) => name === policy));
  const failed = own.find(({ error }) => error !== null)?.error;
  if (failed && !row.ratio)
    return { ours: "could not run", verdict: "not comparable", why: `${policy} stopped: ${failed.message}` };
  const stride = own[0]?.stride;
  const ours =
    `${formatNumber(row.perplexity)} against ${formatNumber(reference.perplexity)}: ` +
    `${formatTimes(row.ratio?.value ?? null)} (${formatInterval(row.ratio?.interval ?? null)}), budget ${formatCount(pooled.budget)}` +
    (typeof stride === "number" ? `, stride ${formatCount(stride)}` : "");
  if (!row.ratio?.interval) return { ours, verdict: "not comparable", why: TOO_SHORT };
  return { ours, interval: row.ratio.interval };
}

/** Whether a policy predicts worse than sink-window, beyond the margin. */
export function judgeWorse(found: Found, policy: string): Judgement {
  const ratio = findRatio(found, policy);
  if ("verdict" in ratio) return ratio;
  const { lower, upper } = ratio.interval;
  return decide(ratio.ours, {
    holds: lower > NON_INFERIORITY_MARGIN,
    isRefuted: upper <= NON_INFERIORITY_MARGIN,
  });
}

/** Whether dense attention predicts worse than sink-window beyond the trained length. */
export function judgeDense(found: Found): Judgement {
  const results = found.of("perplexity");
  const rows = results?.comparisons[0]?.policies ?? [];
  const dense = rows.find(({ name }) => name === "dense");
  if (!results || !dense) return NOT_RUN;
  const judgement = judgeWorse(found, "dense");
  const { trainedLength } = results.model;
  if (trainedLength !== null && dense.tokens >= BEYOND_TRAINED * trainedLength) return judgement;
  return {
    ...judgement,
    verdict: "not comparable",
    why: `Dense has read ${formatCount(dense.tokens)} tokens, and the model was trained on ${trainedLength === null ? "an unknown number" : formatCount(trainedLength)}.`,
  };
}

/** Whether sink-window is not inferior to recompute. */
export function judgeRecompute(found: Found): Judgement {
  const ratio = findRatio(found, "recompute");
  if ("verdict" in ratio) return ratio;
  const { lower, upper } = ratio.interval;
  return decide(ratio.ours, {
    holds: 1 / lower <= NON_INFERIORITY_MARGIN,
    isRefuted: 1 / upper > NON_INFERIORITY_MARGIN,
  });
}

/** Whether line breaks do as well as the first tokens. */
export function judgeLineBreaks(found: Found): Judgement {
  const results = found.of("sinks");
  if (!results) return NOT_RUN;
  const lineBreaks = results.comparison.policies.filter(({ name }) => name.startsWith("line breaks"));
  // Where the model has a beginning-of-sequence token, the stricter test replaces it, too.
  const row = lineBreaks.at(-1);
  if (!row)
    return { ours: "no such token", verdict: "not comparable", why: "A line break is no token of its own." };
  const ours = `${row.name}: ${formatTimes(row.ratio?.value ?? null)} the perplexity with ${USUAL_SINKS} sinks (${formatInterval(row.ratio?.interval ?? null)})`;
  const [loss, bounds] = [results.need.withoutSinks?.interval, row.ratio?.interval];
  if (!loss || !bounds) return { ours, verdict: "not comparable", why: TOO_SHORT };
  if (loss.lower <= NEED_THRESHOLDS.mild)
    return { ours, verdict: "not comparable", why: "That this model needs sinks is not shown." };
  return decide(ours, {
    holds: Math.log(bounds.upper) < NEARLY_NOTHING * loss.lower,
    isRefuted: Math.log(bounds.lower) >= NEARLY_NOTHING * loss.upper,
  });
}

/** Whether the model loses something without sinks. */
export function judgeNeed(found: Found): Judgement {
  const need = (found.of("sinks") ?? found.of("probe"))?.need;
  if (!need) return NOT_RUN;
  if (!need.withoutSinks) return { ours: "unknown", verdict: "not comparable", why: TOO_SHORT };
  const { nats, interval } = need.withoutSinks;
  const ours = `${formatNumber(nats)} nats a token (${formatInterval(interval)}), ${formatTimes(Math.exp(nats))} the perplexity`;
  if (!interval) return { ours, verdict: "not comparable", why: TOO_SHORT };
  return decide(ours, {
    holds: interval.lower > NEED_THRESHOLDS.mild,
    isRefuted: interval.upper <= NEED_THRESHOLDS.mild,
  });
}

/** Whether the usual number of sinks is enough. */
export function judgeEnough(found: Found): Judgement {
  const need = (found.of("sinks") ?? found.of("probe"))?.need;
  if (!need) return NOT_RUN;
  const usual = need.againstMost.find(({ sinks }) => sinks === USUAL_SINKS);
  if (!usual)
    return {
      ours: "unknown",
      verdict: "not comparable",
      why: `${USUAL_SINKS} sinks and more were not both read.`,
    };
  const fewest = need.enough ? `; the fewest that are enough: ${need.enough.sinks}` : "";
  const ours = `${formatNumber(usual.nats)} nats a token with ${USUAL_SINKS} against ${need.most} (${formatInterval(usual.interval)})${fewest}`;
  if (!usual.interval) return { ours, verdict: "not comparable", why: TOO_SHORT };
  const { lower, upper } = usual.interval;
  return decide(ours, { holds: upper <= ENOUGH_NATS, isRefuted: lower > ENOUGH_NATS });
}

function findRecall(found: Found): StreamEvalPolicy | undefined {
  return found.of("stream-eval")?.policies.find(({ name }) => name === "sink-window");
}

function describeGroup({ margin, queries, right }: StreamEvalGroup): string {
  return `${formatMean(margin)} nats, ${queries} queries${right === null ? "" : `, ${right} of them answered`}`;
}

/** Whether what lies in the cache is seen. */
export function judgeSeen(found: Found): Judgement {
  const policy = findRecall(found);
  if (!policy) return NOT_RUN;
  const ours = `margin inside ${describeGroup(policy.inside)}`;
  const bounds = policy.inside.margin?.interval;
  if (!bounds) return { ours, verdict: "not comparable", why: "Too few queries have a margin." };
  return decide(ours, { holds: bounds.lower > 0, isRefuted: bounds.upper <= 0 });
}

/** Whether what has left the cache is not. */
export function judgeUnseen(found: Found): Judgement {
  const policy = findRecall(found);
  if (!policy) return NOT_RUN;
  const ours = `margin outside ${describeGroup(policy.outside)}`;
  if (policy.recall !== "shown") return { ours, verdict: "not comparable", why: NOTHING_SEEN };
  return decide(ours, { holds: policy.leak === "none", isRefuted: policy.leak === "something" });
}

/** Whether what lies in the cache is seen as well at the end of the stream. */
export function judgeFlat(found: Found): Judgement {
  const policy = findRecall(found);
  const budget = found.of("stream-eval")?.settings.budget;
  if (!policy || budget === undefined) return NOT_RUN;
  const budgets = policy.tokens / budget;
  if (!policy.flatness)
    return { ours: "unknown", verdict: "not comparable", why: "There are too few queries." };
  const { first, last, difference, verdict } = policy.flatness;
  const ours =
    `margin ${formatMean(first)} in the first quarter, ${formatMean(last)} in the last, difference ${formatInterval(difference)}; ` +
    `${formatCount(policy.tokens)} tokens, ${formatNumber(budgets)} budgets`;
  if (policy.recall !== "shown") return { ours, verdict: "not comparable", why: NOTHING_SEEN };
  if (budgets < LONG_RECORD)
    return { ours, verdict: "not comparable", why: `That is less than ${LONG_RECORD} budgets.` };
  return decide(ours, { holds: verdict === "flat", isRefuted: verdict === "falls" });
}

/** Whether later passes over a text are predicted as the second. */
export function judgeLongStream(found: Found): Judgement {
  const results = found.of("soak");
  if (!results) return NOT_RUN;
  const { likelihood, read } = results;
  const tokens = `${formatCount(read)} tokens`;
  if (!likelihood)
    return {
      ours: tokens,
      verdict: "not comparable",
      why: "Too little was read for the passes to be compared.",
    };
  const { difference, pass } = likelihood.largest;
  const ours = `${tokens}; the largest difference of a pass is ${formatNumber(difference)} nats (pass ${pass}), ${likelihood.verdict}`;
  return overLongStream(
    read,
    decide(ours, { holds: likelihood.verdict === "flat", isRefuted: likelihood.verdict === "drifted" }),
  );
}

/** Whether a token takes as long at the end of a long stream as at its beginning. */
export function judgeLongStreamTime(found: Found): Judgement {
  const results = found.of("soak");
  if (!results) return NOT_RUN;
  const time = results.sideBySide ?? results.latency;
  if (!time)
    return {
      ours: "unknown",
      verdict: "not comparable",
      why: "Too little was read for times to be compared.",
    };
  const ours = `${formatTimes(time.ratio.value)} (${formatInterval(time.ratio.interval)}) after ${formatCount(results.read)} tokens`;
  return overLongStream(
    results.read,
    decide(ours, { holds: time.verdict === "flat", isRefuted: time.verdict === "grew" }),
  );
}

/** What was read is no long stream unless it is one. */
function overLongStream(read: number, judgement: Judgement): Judgement {
  if (read >= LONG_STREAM) return judgement;
  return {
    ...judgement,
    verdict: "not comparable",
    why: `Less than ${formatCount(LONG_STREAM)} tokens were read: kvpolicy soak reads more.`,
  };
}

/** Whether a smaller budget is better than the largest. */
export function judgeBudgets(found: Found): Judgement {
  const results = found.of("budgets");
  if (!results) return NOT_RUN;
  const rows = results.comparison.policies;
  const ours = rows
    .map(({ name, perplexity }) => `${formatNumber(perplexity.full.value)} at ${name}`)
    .join(", ");
  const intervals = rows.flatMap(({ ratio }) => (ratio?.interval ? [ratio.interval] : []));
  if (intervals.length === 0) return { ours, verdict: "not comparable", why: TOO_SHORT };
  return decide(ours, {
    holds: intervals.some(({ upper }) => upper < 1),
    isRefuted: intervals.every(({ lower }) => lower > 1),
  });
}

/** Whether the cost of recomputing against reuse grows with the budget at stride 1. */
export function judgeCost(found: Found): Judgement {
  const results = found.of("latency");
  if (!results) return NOT_RUN;
  const strides = [...new Set(results.ratios.map(({ stride }) => stride))];
  const ours = strides
    .map((stride) => {
      const measured = results.ratios.flatMap((row) =>
        row.stride === stride && row.recomputeToReuse
          ? [`${formatTimes(row.recomputeToReuse.value)} at ${formatCount(row.budget)}`]
          : [],
      );
      const slope = results.slopes.find((one) => one.stride === stride);
      const words = slope ? `, slope ${formatNumber(slope.value)} (${formatInterval(slope.interval)})` : "";
      return measured.length > 0 ? `stride ${stride}: ${measured.join(", ")}${words}` : "";
    })
    .filter(Boolean)
    .join("; ");
  const bounds = results.slopes.find(({ stride }) => stride === 1)?.interval;
  if (!bounds) {
    const why = "Stride 1 was not measured at two budgets or more, with intervals.";
    return { ours: ours === "" ? "unknown" : ours, verdict: "not comparable", why };
  }
  return decide(ours, { holds: bounds.lower > 0, isRefuted: bounds.upper <= 0 });
}

/** Tells the bytes of the contexts, and judges nothing. */
export function describeMemory(found: Found): Judgement {
  const results = found.of("latency");
  if (!results) return NOT_RUN;
  const bytes = results.budgets.flatMap(({ budget, rows }) => {
    const [recompute, reuse] = (["recompute", "reuse"] as const).map(
      (kind) => rows.find((row) => row.kind === kind && row.contextBytes !== null)?.contextBytes ?? null,
    );
    if (recompute === undefined || reuse === undefined) return [];
    return [`${formatMebibytes(recompute)} and ${formatMebibytes(reuse)} MiB at ${formatCount(budget)}`];
  });
  return {
    ours: bytes.join(", "),
    verdict: "not comparable",
    why: "The engine allocates both for the same cells.",
  };
}

/** Neither shown nor refuted is not comparable: an interval that is too wide says nothing. */
function decide(
  ours: string,
  { holds, isRefuted }: { readonly holds: boolean; readonly isRefuted: boolean },
): Judgement {
  if (holds) return { ours, verdict: "reproduced", why: "The rule holds." };
  if (isRefuted) return { ours, verdict: "not reproduced", why: "The whole interval is against it." };
  return { ours, verdict: "not comparable", why: "The interval is too wide for an answer." };
}

function formatMean(mean: { readonly mean: number; readonly interval: Interval | null } | null): string {
  return mean ? `${formatNumber(mean.mean)} (${formatInterval(mean.interval)})` : "unknown";
}
