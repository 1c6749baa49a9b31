import type { KeptCells } from "./kept-cells.js";
import type { LawOutcome } from "./law-outcome.js";
import type { PolicyProblem } from "./policy-problem.js";

/** What a policy promises beyond a valid plan, as the reader ticks it. */
export interface Promises {
  /** Without marks it always finds something to evict. */
  readonly endless: boolean;
  /** The newest token never leaves when a stream asks. */
  readonly newest: boolean;
  /** No pinned cell ever leaves. */
  readonly pinned: boolean;
}

/** What one policy read of the text with the model. */
export interface ModelReading {
  /** Name of the policy. */
  readonly policy: string;
  /** Tokens that are counted: those at stream positions from the budget on. */
  readonly tokens: number;
  /** Perplexity of these tokens. */
  readonly perplexity: number;
  /** Cells that a token could see, on average. */
  readonly meanCells: number;
  /** Tokens that the model evaluated for each token of the text. */
  readonly evaluationsPerToken: number;
  /** What ended the reading before the last token, in words. */
  readonly failure?: string | undefined;
}

/** The model and the text that the policies are compared on. */
export interface ModelText {
  /** The GGUF file. */
  readonly model: ArrayBuffer;
  /** The text. */
  readonly text: string;
}

/** What is asked of the worker. */
export interface ExaminationRequest {
  /** The code of the editor. */
  readonly source: string;
  /** What the policy promises. */
  readonly promises: Promises;
  /** Seed of the random cases. */
  readonly seed: number;
  /** Readings of the other policies from before, by {@link readingKey}. */
  readonly known: ReadonlyMap<string, ModelReading>;
}

/** Parts of an examination, each of which has its own limit of time. */
export type ExaminationPart = "the module" | "the stream" | "the laws" | "the model";

/** A policy beside its cells over time. */
export interface CellsRow {
  /** Name of the policy. */
  readonly policy: string;
  /** What it kept, token by token. */
  readonly rows: KeptCells["rows"];
  /** Whether it could not go on because nothing may leave. */
  readonly isFull: boolean;
}

/** What is shown of a law beside its outcome. */
export interface ShownLaw {
  /** What it is about. */
  readonly group: string;
  /** What a policy does that obeys it. */
  readonly name: string;
  /** What goes wrong for users when it is broken. */
  readonly why: string;
}

/** What the worker tells, in the order in which it comes. */
export type Finding =
  /** The worker is there: its clock runs from now on. These are the laws that it will try. */
  | { readonly kind: "ready"; readonly laws: readonly ShownLaw[] }
  /** Something begins that may never end. */
  | { readonly kind: "begins"; readonly part: ExaminationPart; readonly what: string }
  /** The code cannot be examined any further. */
  | { readonly kind: "problem"; readonly problem: PolicyProblem }
  /** The policy does something wrong; the examination goes on. */
  | { readonly kind: "fault"; readonly problem: PolicyProblem }
  /** It is a policy. */
  | { readonly kind: "policy"; readonly name: string; readonly budgets: string }
  | {
      readonly kind: "cells";
      readonly budget: number;
      readonly tokens: number;
      readonly policies: readonly CellsRow[];
    }
  /** The model is needed now: it is sent when it is there. */
  | { readonly kind: "needs the model" }
  | { readonly kind: "law"; readonly index: number; readonly outcome: LawOutcome }
  | { readonly kind: "reading"; readonly policy: string; readonly read: number; readonly total: number }
  | {
      readonly kind: "read";
      readonly budget: number;
      readonly reading: ModelReading;
      readonly isYours: boolean;
    }
  | { readonly kind: "done" };

/** Tells what was found. */
export type Emit = (finding: Finding) => void;

/** Policies that yours is put beside, in this order. */
export const OTHERS = ["sink-window", "window", "recompute"] as const;

/** Name of one of them. */
export type OtherName = (typeof OTHERS)[number];

/** Budget above which recompute is left out, because it takes long. */
export const MOST_RECOMPUTED = 512;

/** Policies that yours is put beside with a budget. */
export function othersWith(budget: number): readonly OtherName[] {
  return OTHERS.filter((name) => name !== "recompute" || budget <= MOST_RECOMPUTED);
}

/** Name under which the reading of a policy is known. */
export function readingKey(policy: string, budget: number): string {
  return `${policy} ${budget}`;
}
