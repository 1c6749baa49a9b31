import { Likelihoods } from "./likelihoods.js";
import type { AttentionReport, Failure, ParticipantReport, Report } from "./worker-protocol.js";

/** What the page knows of one policy. */
interface ParticipantState extends Omit<ParticipantReport, "nlls"> {
  readonly likelihoods: Likelihoods;
}

/** What the page knows of the reading that it asked for last. */
export interface ReadingState {
  /** Its number. What reports of another one say is old. */
  readonly reading: number;
  /** `loading` until the model and the text are there; `waiting` before the first token and in a pause. */
  readonly phase: "loading" | "waiting" | "reading" | "complete" | "failed";
  /** Why the whole reading failed; a policy's own failure is in its state. */
  readonly failure: Failure | null;
  /** Tokens of the text that are to be read. */
  readonly total: number;
  /** Stream position of the first of them. */
  readonly firstPosition: number;
  /** By id. */
  readonly participants: ReadonlyMap<number, ParticipantState>;
  /** By id. */
  readonly attention: ReadonlyMap<number, AttentionReport>;
}

/** The state of a reading that was just asked for. */
export function beginReading(reading: number): ReadingState {
  return {
    reading,
    phase: "loading",
    failure: null,
    total: 0,
    firstPosition: 0,
    participants: new Map(),
    attention: new Map(),
  };
}

/** The state after a report. */
export function applyReport(state: ReadingState, report: Report): ReadingState {
  if (report.reading !== state.reading || state.phase === "failed") return state;
  switch (report.kind) {
    case "failed":
      return { ...state, phase: "failed", failure: report.failure };
    case "opened":
      return { ...state, phase: "waiting", total: report.tokens, firstPosition: report.firstPosition };
    case "progress": {
      const participants = new Map(
        report.participants.map((one) => [one.id, addReport(state.participants.get(one.id), one)]),
      );
      return {
        ...state,
        participants,
        phase: phaseOf(report.isRunning, [...participants.values()]),
        attention: new Map(report.attention.map((one) => [one.participant, one])),
      };
    }
  }
}

/** Tokens that every policy has read that is still reading, or was until the end. */
export function tokensRead({ participants, total }: ReadingState): number {
  const going = [...participants.values()].filter(({ status }) => status !== "failed");
  return going.length === 0 ? 0 : going.reduce((least, { read }) => Math.min(least, read), total);
}

/** Index of the first token at a stream position from the budget on: where the figures begin. */
export function firstCounted({ firstPosition }: ReadingState, budget: number): number {
  return Math.max(0, budget - firstPosition);
}

function addReport(
  known: ParticipantState | undefined,
  { nlls, ...report }: ParticipantReport,
): ParticipantState {
  const likelihoods = known?.likelihoods ?? new Likelihoods();
  likelihoods.push(nlls);
  return { ...report, likelihoods };
}

function phaseOf(isRunning: boolean, participants: readonly ParticipantState[]): ReadingState["phase"] {
  if (isRunning) return "reading";
  const isOver = participants.length > 0 && participants.every(({ status }) => status !== "reading");
  return isOver ? "complete" : "waiting";
}
