import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { effectScope, type EffectScope } from "vue";

import { DEFAULT_PARTICIPANTS } from "./settings.js";
import { useReading, type Reading } from "./use-reading.js";
import type { ReadingOptions, Report, Request } from "./worker-protocol.js";

const OPTIONS: ReadingOptions = { modelUrl: "m", text: "t", mostTokens: 9, budget: 16, stride: 2 };
const VIEWS = [{ participant: 1, layer: 0, head: 0 }];

/** Stands for the browser's worker: keeps what it was sent. */
class RecordingWorker {
  static hired: RecordingWorker[] = [];
  readonly heard: Request[] = [];
  isTerminated = false;
  onmessage: ((event: { data: Report }) => void) | null = null;
  onerror: ((event: { message?: string }) => void) | null = null;

  constructor() {
    RecordingWorker.hired.push(this);
  }

  postMessage(request: Request): void {
    this.heard.push(request);
  }

  terminate(): void {
    this.isTerminated = true;
  }
}

let scope: EffectScope;
let reading: Reading;

beforeEach(() => {
  RecordingWorker.hired = [];
  vi.stubGlobal("Worker", RecordingWorker);
  scope = effectScope();
  scope.run(() => {
    reading = useReading();
  });
  reading.watch([]);
  reading.watch(VIEWS);
  reading.open(OPTIONS, DEFAULT_PARTICIPANTS);
  reading.prepare(["m", "n"]);
});
afterEach(() => {
  scope.stop();
  vi.unstubAllGlobals();
});

function worker(place: number): RecordingWorker {
  const hired = RecordingWorker.hired[place];
  if (!hired) throw new Error(`Only ${RecordingWorker.hired.length} workers were hired.`);
  return hired;
}

it("keeps its worker from one reading to the next", () => {
  reading.open(OPTIONS, DEFAULT_PARTICIPANTS);
  expect(RecordingWorker.hired).toHaveLength(1);
  expect(worker(0).heard.map(({ kind }) => kind)).toEqual(["watch", "watch", "open", "prepare", "open"]);
});

it("replaces a worker that could not be started, and tells the new one what was asked for", () => {
  worker(0).onerror?.({});
  expect(reading.state.value).toMatchObject({
    phase: "failed",
    failure: { message: "The worker could not be started." },
  });

  reading.open(OPTIONS, DEFAULT_PARTICIPANTS);
  expect(RecordingWorker.hired).toHaveLength(2);
  expect(worker(0).isTerminated).toBe(true);
  expect(worker(1).heard).toEqual([
    { kind: "open", reading: 2, options: OPTIONS, participants: DEFAULT_PARTICIPANTS },
    { kind: "watch", views: VIEWS },
    { kind: "prepare", modelUrls: ["m", "n"] },
  ]);

  worker(1).onmessage?.({ data: { kind: "opened", reading: 2, tokens: 5, firstPosition: 1 } });
  expect(reading.state.value).toMatchObject({ phase: "waiting", total: 5 });
  reading.open(OPTIONS, DEFAULT_PARTICIPANTS);
  expect(RecordingWorker.hired).toHaveLength(2);
});

it("keeps its worker when a reading failed, for that one still answers", () => {
  const failure = { code: "unexpected", message: "The model could not be fetched." };
  worker(0).onmessage?.({ data: { kind: "failed", reading: 1, failure } });
  expect(reading.state.value.phase).toBe("failed");
  reading.open(OPTIONS, DEFAULT_PARTICIPANTS);
  expect(RecordingWorker.hired).toHaveLength(1);
});

it("leaves no worker behind, the second no more than the first", () => {
  worker(0).onerror?.({ message: "no" });
  reading.open(OPTIONS, DEFAULT_PARTICIPANTS);
  scope.stop();
  expect(RecordingWorker.hired.map(({ isTerminated }) => isTerminated)).toEqual([true, true]);
});
