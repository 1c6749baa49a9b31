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
import { FLAT } from "../soak/judge-ratio.js";
import { NLL_TOLERANCE } from "../soak/passes.js";
import type { StreamEvalGroup, StreamEvalPolicy } from "../stream-eval/stream-eval-results.js";
import { EQUIVALENCE } from "../stream-eval/summarize-answers.js";
import type { Found } from "./found.js";
import type { ReproducedRow } from "./reproduce-results.js";

/** What was measured, and whether the rule holds for it. */
type Judgement = Pick<ReproducedRow, "ours" | "verdict" | "why">;

/** One thing that the paper says, and what would count as seeing it again. */
export interface PaperClaim extends Pick<ReproducedRow, "source" | "claim" | "paper" | "rule"> {
  /** Holds the rule against what was measured on one model. */
  readonly judge: (found: Found) => Judgement;
}

/** Less than this share of what leaving the sinks out costs counts as nearly nothing. */
const NEARLY_NOTHING = 0.1;
/** How much more of the trained length must have been read for a failure to show. */
const BEYOND_TRAINED = 1.25;
/** Fewest tokens that say something of an endless stream, and fewest budgets of StreamEval. */
const LONG_STREAM = 1_000_000;
const LONG_RECORD = 20;

const NOT_RUN: Judgement = { ours: "not run", verdict: "not comparable", why: "The experiment was not run." };
const TOO_SHORT = "The text was too short for an interval.";
/** What a margin outside of the cache says only where one shows inside. */
const NOTHING_SEEN = "Nothing is shown to be seen inside of the cache, so that nothing outside says nothing.";

/** What the paper (Xiao et al., ICLR 2024, arXiv 2309.17453) says, in the order in which it does. */
export const PAPER_CLAIMS: readonly PaperClaim[] = [
  {
    source: "Table 1, Figure 3",
    claim: "A plain window predicts worse once the first tokens have left.",
    paper: "Llama-2-13B: 5,158 against 5.40",
    rule: `the whole interval of window : sink-window lies above ${NON_INFERIORITY_MARGIN}`,
    judge: (found) => judgeWorse(found, "window"),
  },
  {
    source: "Table 1, Figure 3",
    claim: "Dense attention predicts worse beyond the trained length.",
    paper: "Llama-2-13B: 5,641 against 5.40 over 65,000 tokens",
    rule: `the whole interval of dense : sink-window lies above ${NON_INFERIORITY_MARGIN}, over at least ${BEYOND_TRAINED} times the trained length`,
    judge: judgeDense,
  },
  {
    source: "Table 1",
    claim: "Keeping sinks is as good as recomputing the window.",
    paper: "Llama-2-13B: 5.40 against 5.43, recomputed for every token",
    rule: `sink-window is not inferior to recompute of the same stride: the whole interval of sink-window : recompute lies below ${NON_INFERIORITY_MARGIN}`,
    judge: judgeRecompute,
  },
  {
    source: "Table 1, last row",
    claim: "The first tokens matter for where they stand, not for what they say: line breaks do as well.",
    paper: "Llama-2-13B: 5.60 with line breaks against 5.40",
    rule: `line breaks cost less than ${NEARLY_NOTHING * 100} % of what leaving the first tokens out costs, in nats, with the upper bound of the one and the lower bound of the other`,
    judge: judgeLineBreaks,
  },
  {
    source: "Table 2",
    claim: "Without sinks the model suffers.",
    paper:
      "Llama-2-7B: 3,360 against 9.59; MPT-7B 460 against 15.0; Falcon-7B 17.9 against 12.1; Pythia-12B 21.6 against 12.1",
    rule: `the whole interval of the loss with 0 sinks against ${USUAL_SINKS} lies above ${NEED_THRESHOLDS.mild} nats a token`,
    judge: judgeNeed,
  },
  {
    source: "Table 2",
    claim: `${USUAL_SINKS} sinks are enough; more of them gain next to nothing.`,
    paper: "Llama-2-7B: 9.59 with 4, 9.54 with 8; the others need one",
    rule: `the whole interval of the loss with ${USUAL_SINKS} sinks against the most that were tried lies below ${ENOUGH_NATS} nats a token`,
    judge: judgeEnough,
  },
  {
    source: "Table 3, 4",
    claim: "A model trained with a sink token of its own needs only that one.",
    paper: "160 M parameters: 18.01 with 1 learnable sink, 18.49 without training for it",
    rule: "not measured: it needs two models trained alike but for the sink",
    judge: () => ({
      ours: "not measurable on one given model",
      verdict: "not comparable",
      why: "It takes a pair of models that were trained for it.",
    }),
  },
  {
    source: "Table 5",
    claim: "Streamed questions are answered as well as one at a time.",
    paper: "Llama-2-7B-Chat, ARC-Easy: 71.34 % streamed, 71.25 % one-shot",
    rule: "not measured: it needs a model that answers ARC well above chance",
    judge: () => ({
      ours: "not run",
      verdict: "not comparable",
      why: "The questions are not part of this program, and small models answer them at chance.",
    }),
  },
  {
    source: "Figure 9, Table 7",
    claim: "What lies in the cache is seen.",
    paper: "Llama-2-7B-32K: 85.8 % answered at 20 lines, cache 4+2,044",
    rule: "the whole interval of the counterfactual margin inside of the cache lies above 0; that a model answers is another thing",
    judge: judgeSeen,
  },
  {
    source: "Table 7",
    claim: "What has left the cache long ago is not.",
    paper: "0.00 % at every distance beyond the cache",
    rule: `the interval of the margin outside of the cache lies within ±${EQUIVALENCE} nats, where one shows inside`,
    judge: judgeUnseen,
  },
  {
    source: "Figure 9",
    claim: "What lies in the cache is seen as well at the end of a long stream.",
    paper: "flat to 120,000 tokens",
    rule: `the margin inside of the cache in the last quarter of the stream is that in the first, by the rule of its section, over at least ${LONG_RECORD} budgets of tokens`,
    judge: judgeFlat,
  },
  {
    source: "Figure 5",
    claim: "Perplexity stays the same over millions of tokens.",
    paper: "stable beyond 4,000,000 tokens",
    rule: `the NLL of every later pass over the same text is within ±${NLL_TOLERANCE} nats of the second's, with its interval, over at least ${formatCount(LONG_STREAM)} tokens`,
    judge: judgeLongStream,
  },
  {
    source: "Table 1, complexity",
    claim: "A token costs the same however long the stream.",
    paper: "O(T·L), against O(T²) for dense attention",
    rule: `the time of a token at the end is ${FLAT.lower} to ${FLAT.upper} times that at the beginning, with its whole interval, over at least ${formatCount(LONG_STREAM)} tokens`,
    judge: judgeLongStreamTime,
  },
  {
    source: "Table 6",
    claim: "A larger cache does not always predict better.",
    paper: "Llama-2-7B: 9.73, 9.32, 9.08, 9.59 with 512 to 4,096 cells",
    rule: "at least one smaller budget is better than the largest, with the whole interval of their ratio",
    judge: judgeBudgets,
  },
  {
    source: "Figure 10",
    claim: "The cost of recomputing against reuse grows with the budget.",
    paper: "Llama-2-13B, an A6000: 2.1 times at 256, 22.2 times at 4,096, for stride 1",
    rule: "the slope of the ratio over the budget, log-log, has its whole interval above 0 at stride 1",
    judge: judgeCost,
  },
  {
    source: "Figure 10",
    claim: "Both take about the same memory.",
    paper: "13B: 25 GB and 25 GB at 256, 36 GB and 34 GB at 4,096",
    rule: "not judged: a context is allocated for its cells, whatever decides which tokens are in them",
    judge: describeMemory,
  },
  {
    source: "Table 8",
    claim: "Long documents need the instruction and the end, not only four sinks.",
    paper: "Llama-2-7B-chat, Qasper: 16.9 with 4 + 3,496, 19.7 with 1,750 + 1,750",
    rule: "not measured: it needs LongBench and a model that answers it",
    judge: () => ({
      ours: "not run",
      verdict: "not comparable",
      why: "The documents are not part of this program.",
    }),
  },
];

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

function judgeWorse(found: Found, policy: string): Judgement {
  const ratio = findRatio(found, policy);
  if ("verdict" in ratio) return ratio;
  const { lower, upper } = ratio.interval;
  return decide(ratio.ours, {
    holds: lower > NON_INFERIORITY_MARGIN,
    isRefuted: upper <= NON_INFERIORITY_MARGIN,
  });
}

function judgeDense(found: Found): Judgement {
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

function judgeRecompute(found: Found): Judgement {
  const ratio = findRatio(found, "recompute");
  if ("verdict" in ratio) return ratio;
  const { lower, upper } = ratio.interval;
  return decide(ratio.ours, {
    holds: 1 / lower <= NON_INFERIORITY_MARGIN,
    isRefuted: 1 / upper > NON_INFERIORITY_MARGIN,
  });
}

function judgeLineBreaks(found: Found): Judgement {
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

function judgeNeed(found: Found): Judgement {
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

function judgeEnough(found: Found): Judgement {
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

function judgeSeen(found: Found): Judgement {
  const policy = findRecall(found);
  if (!policy) return NOT_RUN;
  const ours = `margin inside ${describeGroup(policy.inside)}`;
  const bounds = policy.inside.margin?.interval;
  if (!bounds) return { ours, verdict: "not comparable", why: "Too few queries have a margin." };
  return decide(ours, { holds: bounds.lower > 0, isRefuted: bounds.upper <= 0 });
}

function judgeUnseen(found: Found): Judgement {
  const policy = findRecall(found);
  if (!policy) return NOT_RUN;
  const ours = `margin outside ${describeGroup(policy.outside)}`;
  if (policy.recall !== "shown") return { ours, verdict: "not comparable", why: NOTHING_SEEN };
  return decide(ours, { holds: policy.leak === "none", isRefuted: policy.leak === "something" });
}

function judgeFlat(found: Found): Judgement {
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

function judgeLongStream(found: Found): Judgement {
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

function judgeLongStreamTime(found: Found): Judgement {
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

function judgeBudgets(found: Found): Judgement {
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

function judgeCost(found: Found): Judgement {
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

function describeMemory(found: Found): Judgement {
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
