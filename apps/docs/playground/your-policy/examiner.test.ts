import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { ExaminationRequest, Finding, ModelText } from "./examination.js";
import { Examiner, type ExaminerEvent, type WorkerLike } from "./examiner.js";

const LIMITS = { "the module": 100, "the stream": 200, "the laws": 300, "the model": 400 };
const READY: Finding = { kind: "ready", laws: [] };
const MODEL: ModelText = { model: new ArrayBuffer(8), text: "Call me Ishmael." };

function request(source: string): ExaminationRequest {
  return { source, promises: { endless: false, newest: false, pinned: false }, seed: 1, known: new Map() };
}

/** A worker that does nothing by itself. */
class SilentWorker implements WorkerLike {
  onmessage: WorkerLike["onmessage"] = null;
  onerror: WorkerLike["onerror"] = null;
  readonly received: unknown[] = [];
  isAlive = true;

  postMessage(message: unknown): void {
    this.received.push(message);
  }

  terminate(): void {
    this.isAlive = false;
  }

  fail(message: string): void {
    this.onerror?.({ preventDefault: () => undefined, message } as ErrorEvent);
  }

  /** Tells something, even when it should be dead. */
  say(finding: Finding): void {
    this.onmessage?.({ data: finding } as MessageEvent<Finding>);
  }
}

let workers: SilentWorker[];
let events: ExaminerEvent[];
let models: ModelText[];
let examiner: Examiner;

function worker(index: number): SilentWorker {
  const found = workers[index];
  if (!found) throw new Error(`There is no worker ${index}.`);
  return found;
}

beforeEach(() => {
  vi.useFakeTimers();
  workers = [];
  events = [];
  models = [MODEL];
  examiner = new Examiner({
    createWorker: () => {
      const created = new SilentWorker();
      workers.push(created);
      return created;
    },
    tell: (event) => events.push(event),
    model: () => Promise.resolve(models.shift()),
    limits: LIMITS,
  });
});
afterEach(() => {
  examiner.dispose();
  vi.useRealTimers();
});

describe("an examination", () => {
  test("is sent once the worker is there, and the next worker waits already", () => {
    examiner.examine(request("a"));
    expect(worker(0).received).toEqual([]);
    worker(0).say(READY);
    expect(worker(0).received).toEqual([request("a")]);
    expect(workers).toHaveLength(2);
  });

  test("goes to a worker that was there before", () => {
    worker(0).say(READY);
    examiner.examine(request("a"));
    expect(worker(0).received).toEqual([request("a")]);
  });

  test("ends its worker", () => {
    worker(0).say(READY);
    examiner.examine(request("a"));
    worker(0).say({ kind: "done" });
    expect(worker(0).isAlive).toBe(false);
    expect(events.at(-1)).toEqual({ kind: "done" });
    vi.advanceTimersByTime(10_000);
    expect(events.at(-1)).toEqual({ kind: "done" });
  });

  test("ends the one before it, which is not heard any more", () => {
    worker(0).say(READY);
    examiner.examine(request("a"));
    examiner.examine(request("b"));
    expect(worker(0).isAlive).toBe(false);
    worker(1).say(READY);
    expect(worker(1).received).toEqual([request("b")]);
    worker(0).say({ kind: "done" });
    expect(events).not.toContainEqual({ kind: "done" });
  });

  test("gets the model when it needs it", async () => {
    worker(0).say(READY);
    examiner.examine(request("a"));
    worker(0).say({ kind: "needs the model" });
    await vi.advanceTimersByTimeAsync(0);
    expect(worker(0).received.at(-1)).toBe(MODEL);
  });

  test("asks for the model again where there was none before", async () => {
    models = [];
    worker(0).say(READY);
    examiner.examine(request("a"));
    worker(0).say({ kind: "needs the model" });
    await vi.advanceTimersByTimeAsync(0);
    expect(worker(0).received.at(-1)).toBe(undefined);
    models = [MODEL];
    worker(1).say(READY);
    examiner.examine(request("b"));
    worker(1).say({ kind: "needs the model" });
    await vi.advanceTimersByTimeAsync(0);
    expect(worker(1).received.at(-1)).toBe(MODEL);
  });

  test("goes to another worker where the waiting one failed", () => {
    worker(0).say(READY);
    examiner.examine(request("a"));
    worker(1).fail("it could not be loaded");
    expect(worker(1).isAlive).toBe(false);
    expect(events).toEqual([READY]);
    examiner.examine(request("b"));
    worker(2).say(READY);
    expect(worker(2).received).toEqual([request("b")]);
  });

  test("that fails is told", () => {
    worker(0).say(READY);
    examiner.examine(request("a"));
    worker(0).fail("out of memory");
    expect(events.at(-1)).toEqual({
      kind: "problem",
      problem: { message: "The worker failed: out of memory." },
    });
    expect(worker(0).isAlive).toBe(false);
  });
});

describe("time", () => {
  beforeEach(() => {
    worker(0).say(READY);
    examiner.examine(request("for (;;);"));
  });

  test("ends what does not end, and another examination begins in another worker", () => {
    vi.advanceTimersByTime(99);
    expect(worker(0).isAlive).toBe(true);
    vi.advanceTimersByTime(1);
    expect(worker(0).isAlive).toBe(false);
    expect(events.at(-1)).toEqual({ kind: "stopped", what: "the module was run", milliseconds: 100 });
    examiner.examine(request("b"));
    worker(1).say(READY);
    expect(worker(1).received).toEqual([request("b")]);
  });

  test("runs anew for every part, each with its own limit", () => {
    worker(0).say({ kind: "begins", part: "the stream", what: "a stream was read" });
    vi.advanceTimersByTime(199);
    worker(0).say({ kind: "begins", part: "the laws", what: "a law was tried" });
    vi.advanceTimersByTime(299);
    expect(worker(0).isAlive).toBe(true);
    vi.advanceTimersByTime(1);
    expect(events.at(-1)).toEqual({ kind: "stopped", what: "a law was tried", milliseconds: 300 });
  });

  test("does not run while a worker or a model is on its way", async () => {
    examiner.examine(request("b"));
    vi.advanceTimersByTime(10_000);
    expect(worker(1).isAlive).toBe(true);
    worker(1).say(READY);
    worker(1).say({ kind: "needs the model" });
    vi.advanceTimersByTime(10_000);
    expect(worker(1).isAlive).toBe(true);
    await vi.advanceTimersByTimeAsync(400);
    expect(events.at(-1)).toEqual({ kind: "stopped", what: "the model was loaded", milliseconds: 400 });
  });

  test("runs on while the model reads on", () => {
    for (let read = 0; read < 5; read += 1) {
      worker(0).say({ kind: "reading", policy: "fifo", read, total: 5 });
      vi.advanceTimersByTime(399);
    }
    expect(worker(0).isAlive).toBe(true);
  });
});

test("nothing is left when it is disposed", () => {
  worker(0).say(READY);
  examiner.examine(request("a"));
  examiner.dispose();
  expect(workers.map(({ isAlive }) => isAlive)).not.toContain(true);
  vi.advanceTimersByTime(10_000);
  expect(events).toEqual([READY]);
});
