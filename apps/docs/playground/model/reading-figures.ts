import type { CurvePoint } from "./likelihoods.js";
import { formatCount } from "./numbers.js";
import { firstCounted, tokensRead, type ReadingState } from "./reading-state.js";
import { seriesStyle, type SeriesStyle } from "./series-style.js";
import { modelChoice, nameOf, type Settings } from "./settings.js";
import type { Failure, Participant } from "./worker-protocol.js";

/** Tokens that a point of a curve is over: enough to be calm, few enough to show where something breaks. */
export const CURVE_WINDOW = 64;
const MOST_POINTS = 250;

/** What the chart shows of one policy. */
export interface ChartSeries extends SeriesStyle {
  readonly id: number;
  readonly name: string;
  readonly points: readonly CurvePoint[];
}

/** A vertical line of the chart. */
export interface ChartRule {
  /** Tokens read. */
  readonly at: number;
  readonly label: string;
}

/** What the table shows of one policy. */
export interface TableRow extends SeriesStyle {
  readonly id: number;
  readonly name: string;
  readonly failure: Failure | null;
  /** Over the tokens at stream positions from the budget on. */
  readonly perplexity: number | undefined;
  /** How many times that of the reference it is. */
  readonly ratio: number | undefined;
  readonly evaluated: number | undefined;
  readonly tokensPerSecond: number | undefined;
}

/** Tokens that the chart's axis is long: those that will be read, as far as is known. */
export function axisLengthOf({ total }: ReadingState, opened: Settings): number {
  return total === 0 ? opened.tokens : total;
}

/** Where the cache is full, and where positions begin that the model was not trained on. */
export function rulesOf(state: ReadingState, opened: Settings): ChartRule[] {
  const { budget, modelName } = opened;
  const { contextLength } = modelChoice(modelName).model;
  return [
    { at: budget - state.firstPosition, label: `cache full: ${budget} cells` },
    { at: contextLength - state.firstPosition, label: `trained length: ${contextLength}` },
  ].filter(({ at }) => at <= axisLengthOf(state, opened));
}

/** The curves. */
export function seriesOf(state: ReadingState, participants: readonly Participant[]): ChartSeries[] {
  const step = Math.max(2, Math.ceil(state.total / MOST_POINTS));
  return participants.map((one) => ({
    id: one.id,
    name: nameOf(one.setting),
    ...seriesStyle(one, participants),
    points: state.participants.get(one.id)?.likelihoods.curve(CURVE_WINDOW, step) ?? [],
  }));
}

/** The policy that the others are compared with. */
export function referenceOf(participants: readonly Participant[]): Participant | undefined {
  return participants.find(({ setting }) => setting.policy === "sink-window");
}

/** The table. */
export function rowsOf(
  state: ReadingState,
  participants: readonly Participant[],
  opened: Settings,
): TableRow[] {
  const start = firstCounted(state, opened.budget);
  const compared = state.participants.get(referenceOf(participants)?.id ?? -1)?.likelihoods;
  return participants.map((one) => {
    const known = state.participants.get(one.id);
    const { tokensWhenFull = 0, millisecondsWhenFull = 0, evaluatedWhenFull = 0 } = known ?? {};
    return {
      id: one.id,
      name: nameOf(one.setting),
      ...seriesStyle(one, participants),
      failure: known?.failure ?? null,
      perplexity: known?.likelihoods.perplexity(start),
      ratio: compared && known?.likelihoods.ratioTo(compared, start),
      evaluated: tokensWhenFull === 0 ? undefined : evaluatedWhenFull / tokensWhenFull,
      tokensPerSecond: tokensWhenFull === 0 ? undefined : (1000 * tokensWhenFull) / millisecondsWhenFull,
    };
  });
}

/** Whether the text ends before the cache is full. */
export function isNeverFull(state: ReadingState, opened: Settings): boolean {
  return state.phase !== "loading" && state.total > 0 && state.total <= firstCounted(state, opened.budget);
}

/** How far the reading is, in words; with other tokens than those read, how far it was. */
export function describeState(state: ReadingState, tokens = tokensRead(state)): string {
  const total = formatCount(state.total);
  const progress = `${formatCount(tokens)} of ${total} tokens`;
  switch (state.phase) {
    case "loading":
      return "Loading the model …";
    case "failed":
      return state.failure?.message ?? "";
    case "waiting":
      return tokensRead(state) === 0 ? `Ready: ${total} tokens.` : `Paused, ${progress}.`;
    case "reading":
      return `Reading, ${progress}.`;
    case "complete":
      return `Complete: ${total} tokens.`;
  }
}
