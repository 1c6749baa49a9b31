import { describe, expect, it } from "vitest";

import { createExperimentProgress, type ExperimentProgressLine } from "./experiment-progress.js";

const CLEAR = "\r\u001B[2K";

/** A line with a clock that is set by hand. */
function start(columns: number | undefined): {
  readonly at: (milliseconds: number, done: number, total?: number, what?: string) => string[];
  readonly line: ExperimentProgressLine;
  readonly written: string[];
} {
  let now = 5_000;
  const written: string[] = [];
  const line = createExperimentProgress({
    name: "sinks",
    columns,
    clock: () => now,
    write: (text) => written.push(text),
  });
  return {
    at: (milliseconds, done, total = 100, what = "budget 256, Moby Dick") => {
      now = 5_000 + milliseconds;
      const before = written.length;
      line.update({ what, done, total });
      return written.slice(before);
    },
    line,
    written,
  };
}

describe("createExperimentProgress on a terminal", () => {
  it("says how far it is, how long it may take, and what it is at", () => {
    const { at } = start(80);
    expect(at(10_000, 25)).toEqual([`${CLEAR}sinks: 25 %, 30 s left; budget 256, Moby Dick`]);
    expect(at(60_000, 50)).toEqual([`${CLEAR}sinks: 50 %, 1 min 0 s left; budget 256, Moby Dick`]);
    expect(at(90_000, 100)).toEqual([`${CLEAR}sinks: 100 %, 0 s left; budget 256, Moby Dick`]);
  });

  it("draws nothing at first, and then not more often than an eye can follow", () => {
    const { at } = start(80);
    expect(at(0, 1)).toEqual([]);
    expect(at(499, 2)).toEqual([]);
    expect(at(500, 3)).toHaveLength(1);
    expect(at(699, 4)).toEqual([]);
    expect(at(700, 5)).toHaveLength(1);
    expect(at(3_000, 6)).toHaveLength(1);
    expect(at(3_199, 7)).toEqual([]);
  });

  it("promises no end before anything is done, and never more than all", () => {
    const { at } = start(80);
    expect(at(1_000, 0)).toEqual([`${CLEAR}sinks: 0 %; budget 256, Moby Dick`]);
    expect(at(2_000, 0, 0)).toEqual([`${CLEAR}sinks: 0 %; budget 256, Moby Dick`]);
    expect(at(3_000, 120)).toEqual([`${CLEAR}sinks: 100 %, 0 s left; budget 256, Moby Dick`]);
    // Not quite all is not all.
    expect(at(4_000, 99.99)).toEqual([`${CLEAR}sinks: 99 %, 0 s left; budget 256, Moby Dick`]);
  });

  it("keeps to one row", () => {
    const { at } = start(40);
    const [text] = at(1_000, 10, 100, "a".repeat(200));
    expect(text).toHaveLength(CLEAR.length + 39);
  });

  it("clears its row at the end, if it ever drew one", () => {
    const quick = start(80);
    quick.at(100, 100);
    quick.line.finish();
    expect(quick.written).toEqual([]);
    const slow = start(80);
    slow.at(1_000, 10);
    slow.line.finish();
    expect(slow.written.at(-1)).toBe(CLEAR);
  });
});

describe("createExperimentProgress in a log", () => {
  it("writes a line every ten seconds, and clears nothing", () => {
    const { at, line, written } = start(undefined);
    expect(at(9_999, 1)).toEqual([]);
    expect(at(10_000, 25)).toEqual(["sinks: 25 %, 30 s left; budget 256, Moby Dick\n"]);
    expect(at(19_999, 30)).toEqual([]);
    expect(at(20_000, 40, 100, "a".repeat(200))).toEqual([`sinks: 40 %, 30 s left; ${"a".repeat(200)}\n`]);
    line.finish();
    expect(written).toHaveLength(2);
    expect(written.join("")).not.toContain("\u001B");
  });
});
