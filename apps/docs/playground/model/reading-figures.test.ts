import { describe, expect, it } from "vitest";

import {
  axisLengthOf,
  CURVE_WINDOW,
  describeState,
  isNeverFull,
  rowsOf,
  rulesOf,
  seriesOf,
} from "./reading-figures.js";
import { applyReport, beginReading, type ReadingState } from "./reading-state.js";
import { DEFAULT_PARTICIPANTS, DEFAULT_SETTINGS, type Settings } from "./settings.js";
import type { ParticipantReport } from "./worker-protocol.js";

const OPENED: Settings = { ...DEFAULT_SETTINGS, budget: 16 };
const [DENSE, WINDOW, SINK_WINDOW] = [0, 1, 2];

/** Perplexity `before` while the cache fills, `after` once it is full. */
function nlls(tokens: number, before: number, after: number): Float64Array {
  return Float64Array.from({ length: tokens }, (_, token) => Math.log(token < 15 ? before : after));
}

function report(id: number, change: Partial<ParticipantReport> = {}): ParticipantReport {
  return {
    id,
    status: "reading",
    failure: null,
    read: 0,
    nlls: new Float64Array(),
    budget: 16,
    tokensWhenFull: 0,
    millisecondsWhenFull: 0,
    evaluatedWhenFull: 0,
    ...change,
  };
}

function openedState(tokens: number): ReadingState {
  return applyReport(beginReading(1), { kind: "opened", reading: 1, tokens, firstPosition: 1 });
}

function after(participants: readonly ParticipantReport[], isRunning = true): ReadingState {
  return applyReport(openedState(1000), {
    kind: "progress",
    reading: 1,
    isRunning,
    participants,
    attention: [],
  });
}

describe("the table", () => {
  const state = after([
    report(WINDOW, {
      read: 20,
      nlls: nlls(20, 3, 12),
      tokensWhenFull: 5,
      millisecondsWhenFull: 100,
      evaluatedWhenFull: 10,
    }),
    report(SINK_WINDOW, { read: 18, nlls: nlls(18, 5, 4) }),
    report(DENSE, { status: "failed", failure: { code: "config", message: "no" } }),
  ]);
  const rows = rowsOf(state, DEFAULT_PARTICIPANTS, OPENED);

  it("counts from the stream position on where the cache of what is read is full", () => {
    expect(rows[WINDOW]?.perplexity).toBeCloseTo(12, 10);
    expect(rows[WINDOW]?.ratio).toBeCloseTo(3, 10);
    expect(rows[SINK_WINDOW]?.ratio).toBe(1);
    expect(rowsOf(state, DEFAULT_PARTICIPANTS, DEFAULT_SETTINGS)[WINDOW]?.perplexity).toBeUndefined();
  });

  it("knows what a token took, and nothing before the cache is full", () => {
    expect(rows[WINDOW]).toMatchObject({ evaluated: 2, tokensPerSecond: 50 });
    expect(rows[SINK_WINDOW]).toMatchObject({ evaluated: undefined, tokensPerSecond: undefined });
  });

  it("has a row for every policy, also for one that stopped or was just added", () => {
    expect(rows.map(({ name }) => name)).toEqual(["dense", "window", "sink-window", "recompute"]);
    expect(rows[DENSE]?.failure?.code).toBe("config");
    expect(rows[3]).toMatchObject({ failure: null, perplexity: undefined, ratio: undefined });
  });

  it("compares with nothing when sink-window was taken away", () => {
    const others = DEFAULT_PARTICIPANTS.filter(({ id }) => id !== SINK_WINDOW);
    expect(rowsOf(state, others, OPENED)[WINDOW]?.ratio).toBeUndefined();
  });
});

describe("the chart", () => {
  it("is as long as the text, and as long as was asked for until that is known", () => {
    expect(axisLengthOf(beginReading(1), { ...OPENED, tokens: 2000 })).toBe(2000);
    expect(axisLengthOf(openedState(300), { ...OPENED, tokens: 2000 })).toBe(300);
  });

  it("marks the budget and the trained length of what is read, counted in tokens", () => {
    expect(rulesOf(openedState(1000), OPENED)).toEqual([
      { at: 15, label: "cache full: 16 cells" },
      { at: 255, label: "trained length: 256" },
    ]);
    expect(rulesOf(openedState(100), OPENED).map(({ at }) => at)).toEqual([15]);
    expect(rulesOf(openedState(10), OPENED)).toEqual([]);
  });

  it("has a curve for every policy, of few points", () => {
    const state = after([report(WINDOW, { read: 100, nlls: nlls(100, 7, 7) })]);
    const [dense, window] = seriesOf(state, DEFAULT_PARTICIPANTS);
    expect(dense?.points).toEqual([]);
    expect(window?.points.map(({ tokens }) => tokens)).toEqual(
      Array.from({ length: 10 }, (_, point) => CURVE_WINDOW + 4 * point),
    );
  });
});

it("knows whether the cache of what is read is ever full", () => {
  expect(isNeverFull(openedState(15), OPENED)).toBe(true);
  expect(isNeverFull(openedState(16), OPENED)).toBe(false);
  expect(isNeverFull(openedState(16), DEFAULT_SETTINGS)).toBe(true);
  expect(isNeverFull(beginReading(1), OPENED)).toBe(false);
  expect(isNeverFull(openedState(0), OPENED)).toBe(false);
});

it("says how far it is", () => {
  const started = [report(WINDOW, { read: 620 })];
  expect(describeState(beginReading(1))).toBe("Loading the model …");
  expect(describeState(openedState(1000))).toBe("Ready: 1,000 tokens.");
  expect(describeState(after(started))).toBe("Reading, 620 of 1,000 tokens.");
  expect(describeState(after(started), 500)).toBe("Reading, 500 of 1,000 tokens.");
  expect(describeState(after(started, false))).toBe("Paused, 620 of 1,000 tokens.");
  expect(describeState(after([report(WINDOW, { status: "complete", read: 1000 })], false))).toBe(
    "Complete: 1,000 tokens.",
  );
  const failure = { code: "unexpected", message: "The worker could not be started." };
  expect(describeState(applyReport(beginReading(1), { kind: "failed", reading: 1, failure }))).toBe(
    failure.message,
  );
});
