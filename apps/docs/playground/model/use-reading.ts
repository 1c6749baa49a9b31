import { onScopeDispose, shallowRef, type ShallowRef } from "vue";

import { applyReport, beginReading, type ReadingState } from "./reading-state.js";
import type { AttentionView, Participant, ReadingOptions, Report, Request } from "./worker-protocol.js";

/** A reading in a worker of its own, as a page sees it. */
export interface Reading {
  readonly state: Readonly<ShallowRef<ReadingState>>;
  /** Begins again from the first token, in a pause. */
  open(options: ReadingOptions, participants: readonly Participant[]): void;
  /** Adds policies, which catch up, and takes away those that are not named. */
  setParticipants(participants: readonly Participant[]): void;
  run(): void;
  pause(): void;
  /** Says which pictures of attention reports are to carry. */
  watch(views: readonly AttentionView[]): void;
  /** Loads models before they are needed. */
  prepare(modelUrls: readonly string[]): void;
}

/** Starts a worker that reads; it ends with the component that calls this. */
export function useReading(): Reading {
  const state = shallowRef(beginReading(0));
  const worker = new Worker(new URL("./model.worker.ts", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }: MessageEvent<Report>) => {
    state.value = applyReport(state.value, data);
  };
  worker.onerror = ({ message }) => {
    const { reading } = state.value;
    const failure = { code: "unexpected", message: message || "The worker could not be started." };
    state.value = applyReport(state.value, { kind: "failed", reading, failure });
  };
  onScopeDispose(() => {
    worker.terminate();
  });
  const send = (request: Request): void => {
    worker.postMessage(request);
  };
  return {
    state,
    open: (options, participants) => {
      const reading = state.value.reading + 1;
      state.value = beginReading(reading);
      send({ kind: "open", reading, options, participants });
    },
    setParticipants: (participants) => {
      send({ kind: "set participants", participants });
    },
    run: () => {
      send({ kind: "run" });
    },
    pause: () => {
      send({ kind: "pause" });
    },
    watch: (views) => {
      send({ kind: "watch", views });
    },
    prepare: (modelUrls) => {
      send({ kind: "prepare", modelUrls });
    },
  };
}
