import { sinkWindow } from "@kvpolicy/sink-window";
import { describe, expect, test } from "vitest";

import { pathOfRows, runsOf, textOfRuns, watchCells } from "./kept-cells.js";

describe("runs", () => {
  test.each<[positions: number[], runs: number[], text: string]>([
    [[], [], ""],
    [[0], [0, 0], "0"],
    [[0, 1, 2, 3, 9, 10], [0, 3, 9, 10], "0–3, 9–10"],
    [[1, 3, 5], [1, 1, 3, 3, 5, 5], "1, 3, 5"],
  ])("%j", (positions, runs, text) => {
    expect(runsOf(positions)).toEqual(runs);
    expect(textOfRuns(runs)).toBe(text);
  });

  test("are rectangles of a picture, a line each", () => {
    expect(pathOfRows([[0, 0], [], [0, 1, 3, 3]])).toBe("M0 0h1v1H0zM0 2h2v1H0zM3 2h1v1H3z");
  });
});

describe("a stream", () => {
  test("is watched token by token, the one that it begins with included", async () => {
    const { rows, failure } = await watchCells(sinkWindow({ sinks: 1, stride: 2 }), 4, 7);
    expect(failure).toBeUndefined();
    expect(rows.map(textOfRuns)).toEqual(["0", "0–1", "0–2", "0–3", "0, 3–4", "0, 3–5", "0, 5–6"]);
  });

  test.each([
    [3, ["0–2", "0, 3–5", "0, 5–6"]],
    [7, ["0, 5–6"]],
    [100, ["0, 5–6"]],
  ])("is noted after every %d tokens and the last", async (step, rows) => {
    const kept = await watchCells(sinkWindow({ sinks: 1, stride: 2 }), 4, 7, { step });
    expect(kept.rows.map(textOfRuns)).toEqual(rows);
  });

  test("that fails between two rows has a last one", async () => {
    const { rows } = await watchCells({ ...sinkWindow(), plan: () => null }, 8, 20, { step: 5 });
    expect(rows.map(textOfRuns)).toEqual(["0–4", "0–7"]);
  });

  test("ends where its policy fails, and keeps what was there before", async () => {
    const { rows, failure } = await watchCells({ ...sinkWindow(), plan: () => null }, 8, 20);
    expect(rows).toHaveLength(8);
    expect(failure).toMatchObject({ code: "cache-full" });
  });
});
