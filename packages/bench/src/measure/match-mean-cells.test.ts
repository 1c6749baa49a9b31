import { createStream } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { dense } from "@kvpolicy/dense";
import { separator } from "@kvpolicy/separator";
import { sinkWindow } from "@kvpolicy/sink-window";
import { surprise } from "@kvpolicy/surprise";
import { describe, expect, it } from "vitest";

import { fakeText } from "../testing/fake-contender.js";
import { matchMeanCells } from "./match-mean-cells.js";

const TOKENS = fakeText(3000);

describe("matchMeanCells", () => {
  it.each([
    [1, 64],
    [3, 65],
    [9, 68],
    [17, 72],
  ])("a stride of %i takes a budget of %i to see 64 cells", async (stride, budget) => {
    const create = () => sinkWindow({ stride });
    const matched = await matchMeanCells({ tokens: TOKENS, cells: 64, create });
    expect(matched.budget).toBe(budget);
    expect(matched.cells).toBeCloseTo(64, 0);
  });

  it.each([
    ["half of what may leave", () => sinkWindow({ stride: "half" })],
    ["separators of the text", () => separator({ separatorTokens: [3, 7], separators: 12, stride: 8 })],
    ["likelihoods", () => surprise({ surprises: 12, stride: 9 })],
  ])("finds the nearest budget where what leaves depends on %s", async (_, create) => {
    const meanOf = async (budget: number): Promise<number> => {
      const backend = new FakeBackend({ capacity: budget });
      await using stream = createStream({ backend, policy: create(), budget });
      await stream.append(TOKENS.subarray(0, budget));
      const before = stream.stats;
      await stream.append(TOKENS.subarray(budget));
      const { cellsSeen, tokens } = stream.stats;
      return (cellsSeen - before.cellsSeen) / (tokens - before.tokens);
    };
    const { budget, cells } = await matchMeanCells({ tokens: TOKENS, cells: 64, create });
    const off = Math.abs((await meanOf(budget)) - 64);
    for (const other of [budget - 1, budget + 1]) {
      expect(Math.abs((await meanOf(other)) - 64)).toBeGreaterThanOrEqual(off);
    }
    expect(off).toBeLessThan(1);
    // Likelihoods are made up, and may tell otherwise than those of the fake.
    expect(Math.abs((cells ?? NaN) - 64)).toBeCloseTo(off, 1);
  });

  it("leaves alone what never evicts, and a text that is too short", async () => {
    const unknown = { budget: 64, cells: null };
    expect(await matchMeanCells({ tokens: TOKENS, cells: 64, create: () => dense() })).toEqual(unknown);
    const tokens = TOKENS.subarray(0, 64);
    const create = () => sinkWindow({ stride: 9 });
    expect(await matchMeanCells({ tokens, cells: 64, create })).toEqual(unknown);
  });

  it("comes as near as the text is long", async () => {
    // Half of the window leaves: 64 cells on average would take a budget of some 84.
    const create = () => sinkWindow({ stride: "half" });
    const { budget, cells } = await matchMeanCells({ tokens: TOKENS.subarray(0, 80), cells: 64, create });
    expect(budget).toBe(64);
    expect(cells).toBeLessThan(60);
  });

  it("can be stopped, and lets timers have their turn", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const tokens = fakeText(1_000_000);
    setTimeout(() => {
      controller.abort(reason);
    }, 20);
    const create = () => surprise({ surprises: 12, stride: 2 });
    const { signal } = controller;
    await expect(matchMeanCells({ tokens, cells: 64, create, signal })).rejects.toBe(reason);
  });

  it("throws what cannot work", async () => {
    const create = () => sinkWindow({ sinks: 64 });
    await expect(matchMeanCells({ tokens: TOKENS, cells: 64, create })).rejects.toMatchObject({
      code: "config",
    });
  });
});
