import { mean } from "../../statistics/perplexity.js";
import { quantiles } from "../../statistics/quantiles.js";
import type { ChatEvalPhase, ChatEvalRatios, ChatEvalTurn } from "./chat-eval-results.js";
import { meanOfTurns, ratioOfTurns } from "./turn-statistics.js";

/** Turn indices, start included, end excluded. */
export interface TurnRange {
  /** First index. */
  readonly start: number;
  /** Behind the last. */
  readonly end: number;
}

/**
 * The turns in which nothing had left yet in any of some conversations. The first turn is not among them: one conversation reads the
 * system prompt in it, another has read it before.
 */
export function turnsBefore(conversations: readonly (readonly ChatEvalTurn[])[]): TurnRange {
  return { start: 1, end: Math.min(...conversations.map((turns) => firstEviction(turns) ?? turns.length)) };
}

/** The turns that all of some conversations have had, from the one in which the last of them had to let something leave. */
export function turnsWhenFull(conversations: readonly (readonly ChatEvalTurn[])[]): TurnRange {
  return {
    start: Math.max(...conversations.map((turns) => firstEviction(turns) ?? turns.length)),
    end: Math.min(...conversations.map((turns) => turns.length)),
  };
}

/** Index of the first turn in which something left; undefined when nothing did. */
export function firstEviction(turns: readonly ChatEvalTurn[]): number | undefined {
  const index = turns.findIndex(({ evictions }) => evictions > 0);
  return index < 0 ? undefined : index;
}

/** Figures over some turns; null of none. */
export function summarizeTurns(
  all: readonly ChatEvalTurn[],
  { start, end }: TurnRange,
  seed: number,
): ChatEvalPhase | null {
  const turns = all.slice(start, Math.max(start, end));
  const evaluated = turns.map((turn) => turn.evaluatedTokens);
  const timesOf = (time: (turn: ChatEvalTurn) => number | null): ReturnType<typeof summarizeTimes> =>
    summarizeTimes(
      turns.flatMap((turn) => time(turn) ?? []),
      seed,
    );
  const longestWaitMilliseconds = timesOf((turn) => turn.longestWaitMilliseconds);
  const milliseconds = timesOf((turn) => turn.milliseconds);
  if (!longestWaitMilliseconds || !milliseconds) return null;
  return {
    turns: turns.length,
    firstTokenMilliseconds: timesOf((turn) => turn.firstTokenMilliseconds),
    longestWaitMilliseconds,
    milliseconds,
    evaluatedTokens: { mean: mean(Float64Array.from(evaluated)), max: Math.max(...evaluated) },
    addedTokens: {
      mean: mean(Float64Array.from(turns, ({ promptTokens, answerTokens }) => promptTokens + answerTokens)),
    },
  };
}

function summarizeTimes(times: readonly number[], seed: number): ChatEvalPhase["firstTokenMilliseconds"] {
  const estimate = meanOfTurns(times, seed);
  if (!estimate) return null;
  const [p50 = NaN, p95 = NaN] = quantiles(times, [0.5, 0.95]);
  return { turns: times.length, mean: estimate, p50, p95 };
}

/** What one conversation took over what another took, on the same turns; null of none. */
export function compareTurns(
  turns: readonly ChatEvalTurn[],
  reference: readonly ChatEvalTurn[],
  { start, end }: TurnRange,
  seed: number,
): ChatEvalRatios | null {
  if (end <= start) return null;
  const ratioOf = (figure: (turn: ChatEvalTurn) => number | null): ReturnType<typeof ratioOfTurns> => {
    const pairs = turns.slice(start, end).flatMap((turn, index) => {
      const other = reference[start + index];
      const numerator = figure(turn);
      const denominator = other ? figure(other) : null;
      return numerator === null || denominator === null ? [] : [{ numerator, denominator }];
    });
    return ratioOfTurns(pairs, seed);
  };
  return {
    turns: end - start,
    firstTokenMilliseconds: ratioOf((turn) => turn.firstTokenMilliseconds),
    longestWaitMilliseconds: ratioOf((turn) => turn.longestWaitMilliseconds),
    milliseconds: ratioOf((turn) => turn.milliseconds),
    evaluatedTokens: ratioOf((turn) => turn.evaluatedTokens),
  };
}
