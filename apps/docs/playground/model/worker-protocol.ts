import type { PolicySetting } from "../policy-setting.js";

/** A policy that takes part in a reading, under an id of its own. */
export interface Participant {
  readonly id: number;
  readonly setting: PolicySetting;
}

/** What is read, and with what. */
export interface ReadingOptions {
  /** Where the model's file is. */
  readonly modelUrl: string;
  /** The text. */
  readonly text: string;
  /** Most tokens of the text that are read. */
  readonly mostTokens: number;
  /** Most cells in use, for every policy that evicts. */
  readonly budget: number;
  /** Cells freed by one eviction, for every policy that names no stride of its own. */
  readonly stride: number;
}

/** One picture of attention: of one policy, layer and head. */
export interface AttentionView {
  readonly participant: number;
  readonly layer: number;
  readonly head: number;
}

/** What the page asks of the worker. Answers carry the `reading` of the latest `open`. */
export type Request =
  | {
      readonly kind: "open";
      readonly reading: number;
      readonly options: ReadingOptions;
      readonly participants: readonly Participant[];
    }
  | { readonly kind: "set participants"; readonly participants: readonly Participant[] }
  | { readonly kind: "run" }
  | { readonly kind: "pause" }
  | { readonly kind: "watch"; readonly views: readonly AttentionView[] }
  /** Loads models before they are needed, so that the page can be used without a network. */
  | { readonly kind: "prepare"; readonly modelUrls: readonly string[] };

/** Why something failed. */
export interface Failure {
  /** Code of the `KVPolicyError`. */
  readonly code: string;
  readonly message: string;
}

/** What became of one policy since the last report. */
export interface ParticipantReport {
  readonly id: number;
  readonly status: "reading" | "complete" | "failed";
  readonly failure: Failure | null;
  /** Tokens of the text read so far. */
  readonly read: number;
  /** Negative log-likelihoods (nats) of the tokens up to `read` that no report had. */
  readonly nlls: Float64Array;
  /** Cells that its stream may use. */
  readonly budget: number;
  /** Tokens read at stream positions from the budget on. */
  readonly tokensWhenFull: number;
  /** Time that these took, in milliseconds. */
  readonly millisecondsWhenFull: number;
  /** Tokens that the model evaluated for these, survivors that were evaluated again included. */
  readonly evaluatedWhenFull: number;
}

/** A picture of attention as numbers. */
export interface AttentionReport extends AttentionView {
  /** Attention of each query to each column, [queries × columns], the oldest query first. Of several cells in a column, the most. */
  readonly values: Float32Array;
  readonly queries: number;
  readonly columns: number;
  readonly cellsPerColumn: number;
  /** Most cells that one of these queries saw, its own included. */
  readonly cells: number;
  /** Mean share of their attention that these queries give to the first cell, [layers][heads]. */
  readonly shares: readonly (readonly number[])[];
}

/** What the worker tells the page. */
export type Report =
  | {
      readonly kind: "opened";
      readonly reading: number;
      /** Tokens that will be read. */
      readonly tokens: number;
      /** Stream position of the first: 1 behind a beginning-of-sequence token. */
      readonly firstPosition: number;
    }
  | {
      readonly kind: "progress";
      readonly reading: number;
      readonly isRunning: boolean;
      readonly participants: readonly ParticipantReport[];
      readonly attention: readonly AttentionReport[];
    }
  | { readonly kind: "failed"; readonly reading: number; readonly failure: Failure };
