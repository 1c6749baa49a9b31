import { describe, expect, test } from "vitest";

import type { ModelReading } from "./examination.js";
import {
  countLaws,
  describeCount,
  emptyState,
  noteEvent,
  type ExaminationState,
} from "./examination-state.js";
import type { ExaminerEvent } from "./examiner.js";

const READING: ModelReading = {
  policy: "fifo",
  tokens: 1,
  perplexity: 2,
  meanCells: 3,
  evaluationsPerToken: 1,
};

function stateAfter(
  events: readonly ExaminerEvent[],
  known = new Map<string, ModelReading>(),
): ExaminationState {
  const state = { ...emptyState(), status: "running" as const };
  for (const event of events) noteEvent(state, event, known);
  return state;
}

describe("what is told", () => {
  test("a fault stays when the examination ends", () => {
    const problem = { message: "It threw.", line: 3 };
    const state = stateAfter([{ kind: "fault", problem }, { kind: "done" }]);
    expect(state).toMatchObject({ status: "ended", problem });
  });

  test("what was stopped is said in words", () => {
    const state = stateAfter([{ kind: "stopped", what: "the module was run", milliseconds: 2000 }]);
    expect(state.problem?.message).toBe(
      "It was stopped: nothing came for 2 seconds while the module was run. Is there a loop that does not end?",
    );
  });

  test("readings of the others are known afterwards, and yours is not", () => {
    const known = new Map<string, ModelReading>();
    const other = { ...READING, policy: "window" };
    const state = stateAfter(
      [
        { kind: "read", budget: 64, reading: READING, isYours: true },
        { kind: "read", budget: 64, reading: other, isYours: false },
      ],
      known,
    );
    expect(state.readings).toEqual([READING, other]);
    expect([...known]).toEqual([["window 64", other]]);
  });
});

describe("the count", () => {
  test.each<[outcomes: ExaminationState["outcomes"], text: string]>([
    [[], "3 laws: 0 hold, 3 were not tried."],
    [[{ state: "holds" }, { state: "holds" }, { state: "holds" }], "3 laws: 3 hold."],
    [
      [{ state: "holds" }, { state: "does not apply" }, { state: "does not apply" }],
      "3 laws: 1 holds, 2 do not apply.",
    ],
    [
      [
        { state: "holds" },
        undefined,
        { state: "broken", breach: { problem: "", seed: 1, counterexample: "", line: 1 } },
      ],
      "3 laws: 1 holds, 1 is broken, 1 was not tried.",
    ],
  ])("%j", (outcomes, text) => {
    expect(describeCount(countLaws(outcomes, 3))).toBe(text);
  });
});
