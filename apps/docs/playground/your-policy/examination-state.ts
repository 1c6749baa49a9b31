import { readingKey, type CellsRow, type ModelReading, type ShownLaw } from "./examination.js";
import type { ExaminerEvent } from "./examiner.js";
import type { LawOutcome } from "./law-outcome.js";
import type { PolicyProblem } from "./policy-problem.js";

/** How far the model has read with a policy. */
interface ReadingProgress {
  readonly policy: string;
  readonly read: number;
  readonly total: number;
}

/** An examination as it is shown: plain data. */
export interface ExaminationState {
  /** `waiting` before the first one. */
  status: "waiting" | "running" | "ended";
  /** What is wrong with the code, and why it could not go on. */
  problem: PolicyProblem | undefined;
  /** Name of the policy. */
  name: string;
  /** Budgets that the laws are tried with. */
  budgets: string;
  /** The laws, from when a worker is there. */
  laws: readonly ShownLaw[];
  /** Outcomes by the index of the law; those that are to come are missing. */
  outcomes: (LawOutcome | undefined)[];
  cellsBudget: number;
  /** Tokens of the stream whose cells are drawn. */
  cellsTokens: number;
  cells: readonly CellsRow[];
  modelBudget: number;
  /** Readings with the model, yours first. */
  readings: ModelReading[];
  progress: ReadingProgress | undefined;
}

/** The state before an examination. */
export function emptyState(): ExaminationState {
  return {
    status: "waiting",
    problem: undefined,
    name: "",
    budgets: "",
    laws: [],
    outcomes: [],
    cellsBudget: 0,
    cellsTokens: 0,
    cells: [],
    modelBudget: 0,
    readings: [],
    progress: undefined,
  };
}

/** Puts what is told into the state. Readings of the other policies go into `known`, too, for the examinations to come. */
export function noteEvent(
  state: ExaminationState,
  event: ExaminerEvent,
  known: Map<string, ModelReading>,
): void {
  switch (event.kind) {
    case "ready":
      state.laws = event.laws;
      return;
    case "begins":
    case "needs the model":
      return;
    case "fault":
      state.problem = event.problem;
      return;
    case "policy":
      state.name = event.name;
      state.budgets = event.budgets;
      return;
    case "cells":
      state.cellsBudget = event.budget;
      state.cellsTokens = event.tokens;
      state.cells = event.policies;
      return;
    case "law":
      state.outcomes[event.index] = event.outcome;
      return;
    case "reading":
      state.progress = event;
      return;
    case "read":
      state.modelBudget = event.budget;
      state.progress = undefined;
      state.readings.push(event.reading);
      if (!event.isYours) known.set(readingKey(event.reading.policy, event.budget), event.reading);
      return;
    case "problem":
      end(state, event.problem);
      return;
    case "stopped":
      end(state, {
        message: `It was stopped: nothing came for ${event.milliseconds / 1000} seconds while ${event.what}. Is there a loop that does not end?`,
      });
      return;
    case "done":
      end(state, undefined);
      return;
  }
}

function end(state: ExaminationState, problem: PolicyProblem | undefined): void {
  state.status = "ended";
  state.progress = undefined;
  // A fault that was found on the way stays.
  state.problem = problem ?? state.problem;
}

/** How many laws there are, hold, are broken and do not apply. */
export interface LawCount {
  readonly laws: number;
  readonly hold: number;
  readonly broken: number;
  readonly apart: number;
  readonly tried: number;
}

/** Counts outcomes. */
export function countLaws(outcomes: ExaminationState["outcomes"], laws: number): LawCount {
  const count = (state: LawOutcome["state"]): number =>
    outcomes.filter((outcome) => outcome?.state === state).length;
  const [hold, broken, apart] = [count("holds"), count("broken"), count("does not apply")];
  return { laws, hold, broken, apart, tried: hold + broken + apart };
}

/** The count in words: `21 laws: 19 hold, 1 is broken, 1 does not apply.` */
export function describeCount({ laws, hold, broken, apart, tried }: LawCount): string {
  const parts = [`${hold} ${hold === 1 ? "holds" : "hold"}`];
  if (broken > 0) parts.push(`${broken} ${broken === 1 ? "is" : "are"} broken`);
  if (apart > 0) parts.push(`${apart} ${apart === 1 ? "does" : "do"} not apply`);
  if (tried < laws) parts.push(`${laws - tried} ${laws - tried === 1 ? "was" : "were"} not tried`);
  return `${laws} laws: ${parts.join(", ")}.`;
}
