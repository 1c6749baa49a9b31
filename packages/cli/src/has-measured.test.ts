import type { ExperimentResults } from "@kvpolicy/bench";
import { describe, expect, it } from "vitest";

import { hasMeasured } from "./has-measured.js";

interface Row {
  readonly status: string;
  readonly tokens: number;
}

const READ_NOTHING: Row = { status: "failed", tokens: 0 };
const READ_SOME: Row = { status: "failed", tokens: 1 };
const READ_ALL: Row = { status: "complete", tokens: 9 };

/** Results with these rows, and nothing else. */
type Build = (rows: readonly Row[]) => object;

const policies: Build = (rows) => ({ policies: rows });
const comparison: Build = (rows) => ({ comparison: { policies: rows } });

describe("hasMeasured", () => {
  it.each<[ExperimentResults["experiment"], Build]>([
    ["stream", policies],
    ["stream-eval", policies],
    ["perplexity", (rows) => ({ comparisons: rows.map((row) => ({ policies: [row] })) })],
    ["probe", comparison],
    ["sinks", comparison],
    ["budgets", comparison],
    ["latency", (rows) => ({ budgets: rows.map((row) => ({ rows: [row] })) })],
    [
      "chat-eval",
      (rows) => ({
        contenders: rows.map(({ status, tokens }) => ({ status, turns: Array(tokens).fill({}) })),
      }),
    ],
  ])("of %s answers whether any row read a token", (experiment, build) => {
    const judge = (...rows: Row[]): boolean =>
      hasMeasured({ experiment, ...build(rows) } as unknown as ExperimentResults);
    expect(judge(READ_NOTHING, READ_NOTHING)).toBe(false);
    expect(judge(READ_NOTHING, READ_SOME)).toBe(true);
    expect(judge(READ_NOTHING, READ_ALL)).toBe(true);
  });

  it("takes a row of latency that was left out for none", () => {
    const judge = (...statuses: string[]): boolean => {
      const rows = statuses.map((status) => ({ status, tokens: 0 }));
      return hasMeasured({ experiment: "latency", budgets: [{ rows }] } as unknown as ExperimentResults);
    };
    expect(judge("left-out", "failed")).toBe(false);
    expect(judge("left-out", "measured")).toBe(true);
  });

  it("of a reproduction answers whether any part was done", () => {
    const judge = (...statuses: string[]): boolean => {
      const parts = statuses.map((status) => ({ status }));
      return hasMeasured({ experiment: "reproduce", parts } as unknown as ExperimentResults);
    };
    expect(judge("failed", "left out")).toBe(false);
    expect(judge("failed", "partial")).toBe(true);
    expect(judge("failed", "done")).toBe(true);
  });

  it("of a soak is true: one that cannot be run throws", () => {
    expect(hasMeasured({ experiment: "soak" } as unknown as ExperimentResults)).toBe(true);
  });
});
