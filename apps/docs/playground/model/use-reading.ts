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

/** Starts a worker that reads; it ends with the component that calls this. One that failed is replaced at the next `open`. */
export function useReading(): Reading {
  const state = shallowRef(beginReading(0));
  /** What stays asked for, whichever worker reads. */
  const standing = new Map<Request["kind"], Request>();
  let hasFailed = false;
  let worker = hire();

  function hire(): Worker {
    const hired = new Worker(new URL("./model.worker.ts", import.meta.url), { type: "module" });
    hired.onmessage = ({ data }: MessageEvent<Report>) => {
      state.value = applyReport(state.value, data);
    };
    hired.onerror = ({ message }) => {
      hasFailed = true;
      const { reading } = state.value;
      const failure = { code: "unexpected", message: message || "The worker could not be started." };
      state.value = applyReport(state.value, { kind: "failed", reading, failure });
    };
    return hired;
  }

  function replaceWorker(): void {
    worker.terminate();
    hasFailed = false;
    worker = hire();
  }

  function send(request: Request): void {
    worker.postMessage(request);
  }

  function sendAndKeep(request: Request): void {
    standing.set(request.kind, request);
    send(request);
  }

  onScopeDispose(() => {
    worker.terminate();
  });
  return {
    state,
    open: (options, participants) => {
      const reading = state.value.reading + 1;
      state.value = beginReading(reading);
      const isReplaced = hasFailed;
      if (isReplaced) replaceWorker();
      send({ kind: "open", reading, options, participants });
      if (isReplaced) for (const request of standing.values()) send(request);
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
      sendAndKeep({ kind: "watch", views });
    },
    prepare: (modelUrls) => {
      sendAndKeep({ kind: "prepare", modelUrls });
    },
  };
}
