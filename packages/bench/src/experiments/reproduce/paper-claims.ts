import { formatCount } from "../../report/numbers.js";
import { NON_INFERIORITY_MARGIN } from "../../statistics/compare-in-words.js";
import { ENOUGH_NATS, NEED_THRESHOLDS, USUAL_SINKS } from "../sinks/judge-sinks.js";
import { FLAT } from "../soak/judge-ratio.js";
import { NLL_TOLERANCE } from "../soak/passes.js";
import { EQUIVALENCE } from "../stream-eval/summarize-answers.js";
import type { Found } from "./found.js";
import type { ReproducedRow } from "./reproduce-results.js";

import {
  type Judgement,
  describeMemory,
  judgeBudgets,
  judgeCost,
  judgeDense,
  judgeEnough,
  judgeFlat,
  judgeLineBreaks,
  judgeLongStream,
  judgeLongStreamTime,
  judgeNeed,
  judgeRecompute,
  judgeSeen,
  judgeUnseen,
  judgeWorse,
  NEARLY_NOTHING,
  BEYOND_TRAINED,
  LONG_STREAM,
  LONG_RECORD,
} from "./judge-claims.js";

/** One thing that the paper says, and what would count as seeing it again. */
export interface PaperClaim extends Pick<ReproducedRow, "source" | "claim" | "paper" | "rule"> {
  /** Holds the rule against what was measured on one model. */
  readonly judge: (found: Found) => Judgement;
}

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
