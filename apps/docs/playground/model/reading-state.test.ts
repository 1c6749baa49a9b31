import { describe, expect, it } from "vitest";

import { applyReport, beginReading, firstCounted, tokensRead, type ReadingState } from "./reading-state.js";
import type { ParticipantReport, Report } from "./worker-protocol.js";

function participant(id: number, change: Partial<ParticipantReport> = {}): ParticipantReport {
  return {
    id,
    status: "reading",
    failure: null,
    read: 0,
    nlls: new Float64Array(),
    budget: 8,
    tokensWhenFull: 0,
    millisecondsWhenFull: 0,
    evaluatedWhenFull: 0,
    ...change,
  };
}

function progress(participants: readonly ParticipantReport[], isRunning = true): Report {
  return { kind: "progress", reading: 3, isRunning, participants, attention: [] };
}

const opened = applyReport(beginReading(3), { kind: "opened", reading: 3, tokens: 20, firstPosition: 1 });

function after(...reports: readonly Report[]): ReadingState {
  return reports.reduce(applyReport, opened);
}

describe("the state of a reading", () => {
  it("waits when it is opened, reads while it runs, and is complete when all are", () => {
    expect(opened).toMatchObject({ phase: "waiting", total: 20, firstPosition: 1 });
    expect(after(progress([participant(0)])).phase).toBe("reading");
    expect(after(progress([participant(0)], false)).phase).toBe("waiting");
    const [complete, failed] = [participant(0, { status: "complete" }), participant(1, { status: "failed" })];
    expect(after(progress([complete, failed], false)).phase).toBe("complete");
    expect(after(progress([complete, participant(1)], false)).phase).toBe("waiting");
    expect(after(progress([], false)).phase).toBe("waiting");
  });

  it("puts likelihoods together", () => {
    const state = after(
      progress([participant(0, { read: 2, nlls: Float64Array.of(1, 2) })]),
      progress([participant(0, { read: 3, nlls: Float64Array.of(6) })]),
    );
    expect(state.participants.get(0)).toMatchObject({ read: 3 });
    expect(state.participants.get(0)?.likelihoods.mean(0, 3)).toBe(3);
  });

  it("forgets policies that were taken away", () => {
    const state = after(progress([participant(0), participant(1)]), progress([participant(1)]));
    expect([...state.participants.keys()]).toEqual([1]);
  });

  it("does not listen to an old reading", () => {
    expect(applyReport(opened, { ...progress([participant(0)]), reading: 2 })).toBe(opened);
  });

  it("stays failed until it is opened again", () => {
    const failure = { code: "config", message: "no model" };
    const failed = applyReport(opened, { kind: "failed", reading: 3, failure });
    expect(failed).toMatchObject({ phase: "failed", failure });
    expect(applyReport(failed, progress([participant(0)]))).toBe(failed);
  });
});

it("counts the tokens that all have read, but those that failed", () => {
  const failed = participant(2, { read: 1, status: "failed" });
  expect(
    tokensRead(after(progress([participant(0, { read: 9 }), participant(1, { read: 5 }), failed]))),
  ).toBe(5);
  expect(tokensRead(after(progress([failed])))).toBe(0);
  expect(tokensRead(opened)).toBe(0);
});

it("knows where the figures begin", () => {
  expect(firstCounted(opened, 8)).toBe(7);
});
