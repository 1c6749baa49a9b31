import { studentInterval } from "../../statistics/student-interval.js";
import { wilsonInterval } from "../../statistics/wilson-interval.js";
import type { Interval } from "../../results/header.js";
import type {
  StreamEvalAnswer,
  StreamEvalGroup,
  StreamEvalPolicy,
  StreamEvalQuery,
} from "./stream-eval-results.js";

/** Margins outside of the cache that lie within this many nats of 0 count as none. */
export const EQUIVALENCE = 0.05;
/** Share of the mean margin that it may change over the stream and count as flat. */
export const FLAT_SHARE = 0.5;

/** What {@link summarizeAnswers} makes of the answers of one policy. */
export type AnswerSummary = Pick<
  StreamEvalPolicy,
  "inside" | "partial" | "outside" | "distances" | "recall" | "leak" | "flatness"
>;

/** Options of {@link summarizeAnswers}. */
export interface SummarizeAnswersOptions {
  /** Every query of the record. */
  readonly queries: readonly StreamEvalQuery[];
  /** The distances that were meant, in lines. */
  readonly distances: readonly number[];
  /** Tokens that an answer has, for each query. */
  readonly answerTokens: readonly number[];
  /** Stream position from which on every cache is full. */
  readonly start: number;
}

/** Figures and verdicts over the answers of one policy. */
export function summarizeAnswers(
  answers: readonly StreamEvalAnswer[],
  options: SummarizeAnswersOptions,
): AnswerSummary {
  const { queries, distances, answerTokens } = options;
  const groupOf = (wanted: readonly StreamEvalAnswer[]): StreamEvalGroup => summarize(wanted, answerTokens);
  const at = (place: StreamEvalAnswer["place"]): StreamEvalAnswer[] =>
    answers.filter((answer) => answer.place === place);
  const [inside, outside] = [groupOf(at("inside")), groupOf(at("outside"))];
  return {
    inside,
    partial: groupOf(at("partial")),
    outside,
    distances: distances.flatMap((distance) => {
      const wanted = answers.filter(({ query }) => queries[query]?.distance === distance);
      if (wanted.length === 0) return [];
      const tokens = wanted.map(({ query }) => queries[query]?.tokens ?? 0);
      const count = (place: StreamEvalAnswer["place"]): number =>
        wanted.filter((answer) => answer.place === place).length;
      return {
        ...groupOf(wanted),
        distance,
        tokens: total(tokens) / tokens.length,
        inside: count("inside"),
        partial: count("partial"),
        outside: count("outside"),
      };
    }),
    recall: judgeRecall(inside),
    leak: judgeLeak(outside),
    flatness: compareQuarters(at("inside"), inside, options),
  };
}

function summarize(answers: readonly StreamEvalAnswer[], answerTokens: readonly number[]): StreamEvalGroup {
  const queries = answers.length;
  const looked = answers.filter(({ tokensRight }) => tokensRight !== null);
  const tokensOf = ({ query }: StreamEvalAnswer): number => answerTokens[query] ?? 0;
  const right = looked.filter((answer) => answer.tokensRight === tokensOf(answer)).length;
  const nlls = answers.map(({ nll }) => nll);
  const margins = marginsOf(answers);
  const isLooked = looked.length > 0;
  return {
    queries,
    right: isLooked ? right : null,
    rightInterval: isLooked ? wilsonInterval(right, looked.length) : null,
    tokensRight: isLooked
      ? total(looked.map(({ tokensRight }) => tokensRight ?? 0)) / total(looked.map(tokensOf))
      : null,
    nll: queries === 0 || nlls.includes(null) ? null : total(nlls.map((nll) => nll ?? 0)) / queries,
    margins: margins.length,
    margin: margins.length === 0 ? null : studentInterval(margins),
  };
}

function judgeRecall({ queries, margin }: StreamEvalGroup): AnswerSummary["recall"] {
  if (queries === 0 || !margin) return null;
  return (margin.interval?.lower ?? 0) > 0 ? "shown" : "not shown";
}

function judgeLeak({ queries, margin }: StreamEvalGroup): AnswerSummary["leak"] {
  if (queries === 0 || !margin) return null;
  if (!margin.interval) return "not shown";
  const { lower, upper } = margin.interval;
  if (lower >= -EQUIVALENCE && upper <= EQUIVALENCE) return "none";
  return lower > EQUIVALENCE || upper < -EQUIVALENCE ? "something" : "not shown";
}

/** The last quarter of the stream against the first, from where every cache is full. */
function compareQuarters(
  inside: readonly StreamEvalAnswer[],
  { margin }: StreamEvalGroup,
  { queries, start }: SummarizeAnswersOptions,
): AnswerSummary["flatness"] {
  const positionOf = ({ query }: StreamEvalAnswer): number => queries[query]?.position ?? 0;
  const full = inside.filter((answer) => positionOf(answer) >= start);
  const end = Math.max(start, ...full.map(positionOf));
  const quarter = (end - start) / 4;
  const firstMargins = marginsOf(full.filter((answer) => positionOf(answer) < start + quarter));
  const lastMargins = marginsOf(full.filter((answer) => positionOf(answer) >= end - quarter));
  if (firstMargins.length < 2 || lastMargins.length < 2 || !margin) return null;
  const [first, last] = [studentInterval(firstMargins), studentInterval(lastMargins)];
  const difference = differenceOf(first, last);
  return { first, last, difference, verdict: judgeFlatness(difference, margin.mean) };
}

function judgeFlatness(
  difference: Interval | null,
  margin: number,
): NonNullable<AnswerSummary["flatness"]>["verdict"] {
  if (!difference) return "not shown";
  const { lower, upper } = difference;
  if (upper < 0) return "falls";
  if (lower > 0) return "grows";
  return Math.max(-lower, upper) < FLAT_SHARE * margin ? "flat" : "not shown";
}

/** Interval of a difference of two independent means from their own: Zou and Donner, Statistics in Medicine 27 (2008). */
function differenceOf(first: MeanOf, last: MeanOf): Interval | null {
  if (!first.interval || !last.interval) return null;
  const difference = last.mean - first.mean;
  const below = Math.hypot(last.mean - last.interval.lower, first.interval.upper - first.mean);
  const above = Math.hypot(last.interval.upper - last.mean, first.mean - first.interval.lower);
  return { lower: difference - below, upper: difference + above };
}

type MeanOf = NonNullable<StreamEvalGroup["margin"]>;

function marginsOf(answers: readonly StreamEvalAnswer[]): number[] {
  return answers.flatMap(({ margin }) => margin ?? []);
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
