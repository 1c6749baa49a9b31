import type { Interval } from "../../results/header.js";
import { formatCount, formatInterval, formatNumber, formatTimes } from "../../report/numbers.js";
import type { ExperimentResults } from "../../results/results-file.js";
import { NON_INFERIORITY_MARGIN } from "../../statistics/compare-in-words.js";
import { ENOUGH_NATS, USUAL_SINKS } from "../sinks/judge-sinks.js";
import type { ReproducedRow } from "./reproduce-results.js";

/** What was measured, and whether the rule holds for it. */
type Judgement = Pick<ReproducedRow, "ours" | "verdict" | "why">;

/** One thing that the paper says, and what would count as seeing it again. */
export interface PaperClaim extends Pick<ReproducedRow, "source" | "claim" | "paper" | "rule"> {
  /** Holds the rule against what was measured on one model. */
  readonly judge: (found: Found) => Judgement;
}

/** Results of the experiments on one model, by name. */
export class Found {
  readonly #experiments: readonly ExperimentResults[];

  /** Of several results of one experiment the first counts. */
  constructor(experiments: readonly ExperimentResults[]) {
    this.#experiments = experiments;
  }

  /** The results of an experiment, if it was run. */
  of<Name extends ExperimentResults["experiment"]>(
    name: Name,
  ): Extract<ExperimentResults, { experiment: Name }> | undefined {
    return this.#experiments.find(
      (results): results is Extract<ExperimentResults, { experiment: Name }> => results.experiment === name,
    );
  }
}

/** Less than this share of what leaving the sinks out costs counts as nearly nothing. */
const NEARLY_NOTHING = 0.1;
/** How much more of the trained length must have been read for a collapse to show. */
const BEYOND_TRAINED = 1.25;
/** Memory of two policies is alike when it differs by no more than this. */
const ALIKE_MEMORY = 0.1;

const NOT_RUN: Judgement = { ours: "not run", verdict: "not comparable", why: "The experiment was not run." };
const TOO_SHORT = "The text was too short for an interval.";

/** What the paper (Xiao et al., ICLR 2024, arXiv 2309.17453) says, in the order in which it does. */
export const PAPER_CLAIMS: readonly PaperClaim[] = [
  {
    source: "Table 1, Figure 3",
    claim: "A plain window collapses once the first tokens have left.",
    paper: "Llama-2-13B: 5,158 against 5.40",
    rule: `the whole interval of window : sink-window lies above ${NON_INFERIORITY_MARGIN}`,
    judge: (found) => judgeRatio(found, "window", ({ lower }) => lower > NON_INFERIORITY_MARGIN),
  },
  {
    source: "Table 1, Figure 3",
    claim: "Dense attention fails beyond the trained length.",
    paper: "Llama-2-13B: 5,641 against 5.40 over 65,000 tokens",
    rule: `the whole interval of dense : sink-window lies above ${NON_INFERIORITY_MARGIN}, over a text at least ${BEYOND_TRAINED} times as long as the trained length`,
    judge: judgeDense,
  },
  {
    source: "Table 1",
    claim: "Keeping sinks is as good as recomputing the window for every token.",
    paper: "Llama-2-13B: 5.40 against 5.43",
    rule: `sink-window is not inferior: the whole interval of sink-window : recompute lies below ${NON_INFERIORITY_MARGIN}`,
    judge: (found) => judgeRatio(found, "recompute", ({ lower }) => 1 / lower <= NON_INFERIORITY_MARGIN),
  },
  {
    source: "Table 1, last row",
    claim: "The first tokens matter for where they stand, not for what they say: line breaks do as well.",
    paper: "Llama-2-13B: 5.60 with line breaks against 5.40",
    rule: `line breaks cost less than ${NEARLY_NOTHING * 100} % of what leaving the first tokens out costs, in nats, with the upper bound of their interval`,
    judge: judgeLineBreaks,
  },
  {
    source: "Table 2",
    claim: "Without sinks the model collapses, or at least suffers.",
    paper:
      "Llama-2-7B: 3,360 against 9.59; MPT-7B 460 against 15.0; Falcon-7B 17.9 against 12.1; Pythia-12B 21.6 against 12.1",
    rule: "the whole interval of the loss with 0 sinks against 4 lies above 0.02 nats a token",
    judge: judgeNeed,
  },
  {
    source: "Table 2",
    claim: `${USUAL_SINKS} sinks are enough; more of them gain next to nothing.`,
    paper: "Llama-2-7B: 9.59 with 4, 9.54 with 8; the others need one",
    rule: `the upper bound of the loss with ${USUAL_SINKS} sinks against the most that were tried is at most ${ENOUGH_NATS} nats a token`,
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
    claim: "What lies in the cache is recalled.",
    paper: "Llama-2-7B-32K: 85.8 % at 20 lines, cache 4+2,044",
    rule: "the lower bound of the counterfactual margin inside the cache lies above 0",
    judge: judgeRecall,
  },
  {
    source: "Table 7",
    claim: "What has left the cache is not: the accuracy falls to 0 at its edge.",
    paper: "0.00 % at every distance beyond the cache",
    rule: "the interval of the margin outside the cache lies within ±0.05 nats",
    judge: judgeLeak,
  },
  {
    source: "Figure 9",
    claim: "Recall does not fade however long the stream.",
    paper: "flat to 120,000 tokens",
    rule: "the margin inside the cache is as large in the last quarter of the stream as in the first",
    judge: judgeFlatRecall,
  },
  {
    source: "Figure 5",
    claim: "Perplexity stays the same over millions of tokens.",
    paper: "stable beyond 4,000,000 tokens",
    rule: "the NLL of every later pass over the same text is within ±0.005 nats of the second's",
    judge: judgeLongStream,
  },
  {
    source: "Table 1, complexity",
    claim: "A token costs the same however long the stream.",
    paper: "O(T·L), against O(T²) for dense attention",
    rule: "the time of a token at the end lies within 5 % of that at the beginning, with its whole interval",
    judge: judgeLongStreamTime,
  },
  {
    source: "Table 6",
    claim: "A larger cache does not always predict better.",
    paper: "Llama-2-7B: 9.73, 9.32, 9.08, 9.59 with 512 to 4,096 cells",
    rule: "at least one smaller budget is not shown to be worse than the largest",
    judge: judgeBudgets,
  },
  {
    source: "Figure 10",
    claim: "The cost of recomputing against reuse grows with the budget.",
    paper: "Llama-2-13B, an A6000: 2.1 times at 256, 22.2 times at 4,096, for stride 1",
    rule: "the slope of the ratio over the budget, log-log, has its whole interval above 0 at every stride that was measured at two budgets or more",
    judge: judgeLatency,
  },
  {
    source: "Figure 10",
    claim: "Both take the same memory.",
    paper: "13B: 25 GB and 25 GB at 256, 36 GB and 34 GB at 4,096",
    rule: `bytes of the contexts differ by no more than ${ALIKE_MEMORY * 100} % at every budget`,
    judge: judgeMemory,
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

/** Holds a rule against the ratio of a policy to sink-window, at the smallest budget. */
function judgeRatio(found: Found, policy: string, isReproduced: (interval: Interval) => boolean): Judgement {
  const results = found.of("perplexity");
  const pooled = results?.budgets[0];
  const [row, reference] = [policy, "sink-window"].map((name) =>
    pooled?.policies.find((one) => one.name === name),
  );
  if (!results || !pooled || !row || !reference) return NOT_RUN;
  const failed = results.comparisons[0]?.policies.find(({ name }) => name === policy)?.error;
  if (failed && !row.ratio)
    return { ours: "could not run", verdict: "not comparable", why: `${policy} stopped: ${failed.message}` };
  const ours =
    `${formatNumber(row.perplexity)} against ${formatNumber(reference.perplexity)}: ` +
    `${formatTimes(row.ratio?.value ?? null)} (${formatInterval(row.ratio?.interval ?? null)}), budget ${formatCount(pooled.budget)}`;
  const bounds = row.ratio?.interval;
  if (!bounds) return { ours, verdict: "not comparable", why: TOO_SHORT };
  return decide(ours, isReproduced(bounds));
}

function judgeDense(found: Found): Judgement {
  const results = found.of("perplexity");
  const text = results?.comparisons[0]?.text;
  if (!results || !text) return NOT_RUN;
  const judgement = judgeRatio(found, "dense", ({ lower }) => lower > NON_INFERIORITY_MARGIN);
  const { trainedLength } = results.model;
  if (trainedLength !== null && text.tokens >= BEYOND_TRAINED * trainedLength) return judgement;
  return {
    ...judgement,
    verdict: "not comparable",
    why: `${formatCount(text.tokens)} tokens were read, and the model was trained on ${trainedLength === null ? "an unknown number" : formatCount(trainedLength)}.`,
  };
}

function judgeLineBreaks(found: Found): Judgement {
  const policies = found.of("sinks")?.comparison.policies;
  const lineBreaks = policies?.filter(({ name }) => name.startsWith("line breaks")) ?? [];
  const loss = found.of("sinks")?.need.withoutSinks?.nats;
  // Where the model has a beginning-of-sequence token, the stricter test replaces it, too.
  const row = lineBreaks.at(-1);
  if (!policies || loss === undefined) return NOT_RUN;
  if (!row)
    return { ours: "no such token", verdict: "not comparable", why: "A line break is no token of its own." };
  const ours = `${row.name}: ${formatTimes(row.ratio?.value ?? null)} the perplexity with ${USUAL_SINKS} sinks (${formatInterval(row.ratio?.interval ?? null)})`;
  if (!row.ratio?.interval) return { ours, verdict: "not comparable", why: TOO_SHORT };
  if (loss < 0.02) return { ours, verdict: "not comparable", why: "This model needs no sinks." };
  return decide(ours, Math.log(row.ratio.interval.upper) < NEARLY_NOTHING * loss);
}

function judgeNeed(found: Found): Judgement {
  const need = (found.of("sinks") ?? found.of("probe"))?.need;
  if (!need?.withoutSinks) return NOT_RUN;
  const { nats, interval } = need.withoutSinks;
  const ours = `${formatNumber(nats)} nats a token, ${formatTimes(Math.exp(nats))} the perplexity (${formatInterval(interval)} nats): ${need.need}`;
  if (!interval) return { ours, verdict: "not comparable", why: TOO_SHORT };
  return decide(ours, interval.lower > 0.02);
}

function judgeEnough(found: Found): Judgement {
  const need = (found.of("sinks") ?? found.of("probe"))?.need;
  const usual = need?.againstMost.find(({ sinks }) => sinks === USUAL_SINKS);
  if (!need || !usual) return NOT_RUN;
  const fewest = need.enough ? `; the fewest that are enough: ${need.enough.sinks}` : "";
  const ours = `${formatNumber(usual.nats)} nats a token with ${USUAL_SINKS} against ${need.most} (${formatInterval(usual.interval)})${fewest}`;
  if (!usual.interval) return { ours, verdict: "not comparable", why: TOO_SHORT };
  return decide(ours, usual.interval.upper <= ENOUGH_NATS);
}

function judgeRecall(found: Found): Judgement {
  const policy = found.of("stream-eval")?.policies.find(({ name }) => name === "sink-window");
  if (!policy) return NOT_RUN;
  const { inside } = policy;
  const ours = `margin inside ${formatMean(inside.margin)} nats, ${inside.queries} queries${inside.right === null ? "" : `, ${inside.right} right`}`;
  if (!inside.margin?.interval)
    return { ours, verdict: "not comparable", why: "Too few queries have a margin." };
  return decide(ours, policy.recall === "shown");
}

function judgeLeak(found: Found): Judgement {
  const policy = found.of("stream-eval")?.policies.find(({ name }) => name === "sink-window");
  if (!policy) return NOT_RUN;
  const { outside, leak } = policy;
  const ours = `margin outside ${formatMean(outside.margin)} nats, ${outside.queries} queries${outside.right === null ? "" : `, ${outside.right} right`}`;
  if (leak === null || leak === "not shown")
    return { ours, verdict: "not comparable", why: "The interval is too wide to say that there is nothing." };
  return decide(ours, leak === "none");
}

function judgeFlatRecall(found: Found): Judgement {
  const results = found.of("stream-eval");
  const policy = results?.policies.find(({ name }) => name === "sink-window");
  if (!results || !policy) return NOT_RUN;
  if (!policy.flatness)
    return { ours: "too few queries", verdict: "not comparable", why: "Too few queries." };
  const { first, last, difference, verdict } = policy.flatness;
  const ours =
    `margin ${formatMean(first)} in the first quarter, ${formatMean(last)} in the last, difference ${formatInterval(difference)}; ` +
    `${formatCount(policy.tokens)} tokens, ${formatNumber(policy.tokens / results.settings.budget)} budgets`;
  if (verdict === "not shown") return { ours, verdict: "not comparable", why: "The interval is too wide." };
  return decide(ours, verdict !== "falls");
}

function judgeLongStream(found: Found): Judgement {
  const results = found.of("soak");
  if (!results) return NOT_RUN;
  const { likelihood, read } = results;
  const tokens = `${formatCount(read)} tokens`;
  if (!likelihood || likelihood.verdict === "not shown") {
    const why = "Too little was read for the passes to be compared.";
    return { ours: tokens, verdict: "not comparable", why };
  }
  const { difference, pass } = likelihood.largest;
  const ours = `${tokens}; the largest difference of a pass is ${formatNumber(difference)} nats (pass ${pass})`;
  return decide(ours, likelihood.verdict === "flat");
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
  if (time.verdict === "not shown")
    return { ours, verdict: "not comparable", why: "The interval is too wide: times on this machine vary." };
  return decide(ours, time.verdict !== "grew");
}

function judgeBudgets(found: Found): Judgement {
  const results = found.of("budgets");
  if (!results) return NOT_RUN;
  const rows = results.comparison.policies;
  const ours = rows
    .map(({ name, perplexity }) => `${formatNumber(perplexity.full.value)} at ${name}`)
    .join(", ");
  const others = rows.filter(({ ratio }) => ratio !== null);
  if (others.length === 0 || others.some(({ ratio }) => !ratio?.interval))
    return { ours, verdict: "not comparable", why: TOO_SHORT };
  return decide(
    ours,
    others.some(({ ratio }) => (ratio?.interval?.lower ?? Infinity) <= 1),
  );
}

function judgeLatency(found: Found): Judgement {
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
  if (results.slopes.length === 0 || results.slopes.some(({ interval }) => !interval))
    return {
      ours,
      verdict: "not comparable",
      why: "No stride was measured at two budgets or more, with intervals.",
    };
  return decide(
    ours,
    results.slopes.every(({ interval }) => (interval?.lower ?? 0) > 0),
  );
}

function judgeMemory(found: Found): Judgement {
  const results = found.of("latency");
  if (!results) return NOT_RUN;
  const pairs = results.budgets.flatMap(({ budget, rows }) => {
    const bytesOf = (kind: string): number | undefined =>
      rows.find((row) => row.kind === kind && row.contextBytes !== null)?.contextBytes ?? undefined;
    const [recompute, reuse] = [bytesOf("recompute"), bytesOf("reuse")];
    return recompute !== undefined && reuse !== undefined ? [{ budget, ratio: recompute / reuse }] : [];
  });
  const ours = pairs.map(({ budget, ratio }) => `${formatTimes(ratio)} at ${formatCount(budget)}`).join(", ");
  if (pairs.length === 0)
    return { ours: "unknown", verdict: "not comparable", why: "The engine did not tell the bytes of both." };
  return decide(
    ours,
    pairs.every(({ ratio }) => Math.abs(ratio - 1) <= ALIKE_MEMORY),
  );
}

function decide(ours: string, isReproduced: boolean): Judgement {
  return isReproduced
    ? { ours, verdict: "reproduced", why: "The rule holds." }
    : { ours, verdict: "not reproduced", why: "The rule does not hold." };
}

function formatMean(mean: { readonly mean: number; readonly interval: Interval | null } | null): string {
  return mean ? `${formatNumber(mean.mean)} (${formatInterval(mean.interval)})` : "unknown";
}
