import type { Progress, Reading } from "@kvpolicy/bench";
import { sinkWindow } from "@kvpolicy/sink-window";
import { describe, expect, it } from "vitest";

import { createProgressDisplay } from "./progress-display.js";
import { describeProgress } from "./progress-lines.js";

function reading(changes: Partial<Reading>): Reading {
  return {
    name: "sink-window",
    policy: sinkWindow(),
    budget: 16,
    status: "reading",
    nlls: new Float64Array(50).fill(1),
    firstPosition: 1,
    fullNll: 31 * Math.log(20),
    milliseconds: 500,
    timings: { unit: "stride", tokens: [], milliseconds: [] },
    stats: null,
    meanCells: null,
    contextBytes: null,
    warnings: [],
    error: null,
    ...changes,
  };
}

const PROGRESS: Progress = {
  total: 200,
  readings: [
    reading({}),
    reading({
      name: "dense",
      status: "failed",
      milliseconds: 100,
      error: { code: "cache-full", message: "" },
    }),
  ],
};

describe("describeProgress", () => {
  it("shows tokens, running perplexity since the cache is full, speed and the time left", () => {
    const { header, policies } = describeProgress(PROGRESS, 20);
    // 150 tokens at 10 ms are left; what has failed takes no more time.
    expect(header).toBe("reading 200 tokens under 2 policies: 62 %, 2 s left");
    expect(policies[0]).toMatch(
      /^sink-window {2}███░{9} {3}50 {2}perplexity 20\.0 +100 tokens\/s {2}2 s left$/,
    );
    expect(policies[1]).toMatch(/^dense .*stopped: cache-full$/);
  });

  it("says so while the cache is not full", () => {
    expect(describeProgress(PROGRESS, 51).policies[0]).toContain("cache not full");
  });
});

describe("createProgressDisplay", () => {
  it("redraws a block in place on a terminal, no more often than a tenth of a second", () => {
    const written: string[] = [];
    let now = 0;
    const display = createProgressDisplay({
      write: (text) => written.push(text),
      columns: 40,
      budget: 20,
      clock: () => now,
    });
    display.update(PROGRESS);
    now = 50;
    display.update(PROGRESS);
    expect(written).toHaveLength(1);
    now = 150;
    display.update(PROGRESS);
    expect(written).toHaveLength(2);
    expect(written[1]?.startsWith("\u001B[3A")).toBe(true);
    const lines = written[0]!.replaceAll("\u001B[2K", "").trimEnd().split("\n");
    expect(lines).toHaveLength(3);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(40);
    display.finish();
    expect(written).toHaveLength(3);
  });

  it("writes a plain line now and then elsewhere", () => {
    const written: string[] = [];
    let now = 0;
    const display = createProgressDisplay({
      write: (text) => written.push(text),
      columns: undefined,
      budget: 20,
      clock: () => now,
    });
    for (; now <= 22_000; now += 100) display.update(PROGRESS);
    display.finish();
    expect(written).toHaveLength(2);
    expect(written[0]).toMatch(/^reading .*\n {2}sink-window .*tokens\/s.*left\n {2}dense /);
    expect(written.join("")).not.toContain("\u001B");
  });
});
