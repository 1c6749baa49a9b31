import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { describe, expect, it } from "vitest";

import { FakeClock, fakeText } from "../../testing/fake-contender.js";
import { fakeModel } from "../../testing/fake-model.js";
import { fakeSurroundings } from "../../testing/fake-surroundings.js";
import { describeLatency } from "./describe-latency.js";
import { judgeLatency, judgeSlope } from "./judge-latency.js";
import { measureLatency, type MeasureLatencyOptions } from "./measure-latency.js";
import type { LatencyResults } from "./latency-results.js";

async function measure(given: Partial<MeasureLatencyOptions> = {}): Promise<LatencyResults> {
  const clock = new FakeClock();
  return measureLatency({
    model: fakeModel({ clock }),
    surroundings: fakeSurroundings(),
    clock: clock.tell,
    text: { name: "A book", sha256: "b".repeat(64), tokens: fakeText(400) },
    contenders: [
      { name: "recompute, stride 1", kind: "recompute", stride: 1, create: () => recompute({ stride: 1 }) },
      { name: "recompute, stride 8", kind: "recompute", stride: 8, create: () => recompute({ stride: 8 }) },
      { name: "sink-window, stride 1", kind: "reuse", stride: 1, create: () => sinkWindow({ stride: 1 }) },
      { name: "sink-window, stride 8", kind: "reuse", stride: 8, create: () => sinkWindow({ stride: 8 }) },
      { name: "dense", kind: "dense", stride: null, create: () => dense() },
    ],
    budgets: [16, 64],
    qualityTokens: 32,
    qualityBudget: 64,
    seed: 1,
    ...given,
  });
}

describe("describeLatency", () => {
  it("says what comes of it", async () => {
    const { verdicts } = describeLatency(await measure());
    expect(verdicts).toEqual([
      // 16 and 64 cells against an eviction of 10 ms and a token of 1 ms.
      "Stride 1: a token takes recompute 1.45× (16 cells), 5.82× (64 cells) as long as sink-window; it grows with the budget: " +
        "slope 1.00 [1.00 … 1.00] over 2 budgets.",
      "Stride 8: a token takes recompute 0.889× (16 cells), 3.56× (64 cells) as long as sink-window; it grows with the budget: " +
        "slope 1.00 [1.00 … 1.00] over 2 budgets.",
      "The paper's figure 10: the direction, a token takes longer where the cache is recomputed for each, is reproduced (budgets: 2); " +
        "the growth with the budget is reproduced; the size of the ratio is not comparable.",
      "Evicting at 16 cells: sink-window takes, against plain decoding at the same cache length, 2.25× [2.25 … 2.25] at stride 8.",
      // At 64 cells dense sees 56.5 of them on average, a stride of 8 sees 60.5.
    ]);
  });

  it("draws times, ratios beside the paper's own, and the plane", async () => {
    const [times, ratios, plane] = describeLatency(await measure()).charts;
    expect(times!.series.map(({ name, points }) => [name, points.map(({ x, y }) => [x, y])])).toEqual([
      [
        "recompute, stride 1",
        [
          [16, 16],
          [64, 64],
        ],
      ],
      [
        "recompute, stride 8",
        [
          [16, 2],
          [64, 8],
        ],
      ],
      [
        "sink-window, stride 1",
        [
          [16, 11],
          [64, 11],
        ],
      ],
      [
        "sink-window, stride 8",
        [
          [16, 2.25],
          [64, 2.25],
        ],
      ],
      [
        "dense",
        [
          [16, 1],
          [64, 1],
        ],
      ],
    ]);
    expect(ratios!.series.map(({ name }) => name)).toEqual([
      "stride 1",
      "stride 8",
      "paper, 7B (A6000)",
      "paper, 13B (A6000)",
    ]);
    expect(ratios!.series[0]!.points[1]).toMatchObject({ x: 64, y: 64 / 11 });
    expect(ratios!.series[0]!.points[1]!.lower).toBeCloseTo(64 / 11, 10);
    expect(ratios!.series[3]!.points.at(-1)).toEqual({ x: 4096, y: 22.2 });
    expect(plane!.series.map(({ name, points }) => [name, points.map(({ x, label }) => [x, label])])).toEqual(
      [
        [
          "recompute",
          [
            [64, "stride 1"],
            [8, "stride 8"],
          ],
        ],
        [
          "sink-window",
          [
            [11, "stride 1"],
            [2.25, "stride 8"],
          ],
        ],
      ],
    );
  });

  it("has a table for each budget, and the paper's ratios beside the measured ones", async () => {
    const { tables } = describeLatency(await measure({ budgets: [256, 512], qualityBudget: 256 }));
    const [ratios] = tables;
    expect(ratios!.columns).toEqual(["stride", "256 cells", "512 cells", "slope"]);
    expect(ratios!.rows[0]!.slice(0, 2)).toEqual(["1", "23.3× [23.3 … 23.3]"]);
    expect(ratios!.rows.at(-1)).toEqual(["1, paper, 13B (A6000)", "2.10×", "3.30×", "–"]);
    expect(tables.map(({ caption }) => caption).slice(2, 4)).toEqual([
      "Time per token at 256 cells",
      "Time per token at 512 cells",
    ]);
    for (const { columns, rows } of tables) for (const row of rows) expect(row).toHaveLength(columns.length);
  });

  it("says of another device nothing, and ends every definition with a full stop", async () => {
    const { limits, definitions } = describeLatency(await measure());
    expect(limits[0]).toMatch(/They say nothing of another device\.$/);
    expect(limits.join(" ")).not.toContain("GPU");
    for (const { meaning } of definitions) expect(meaning).toMatch(/\.$/);
  });

  it("notes what is left out, once, and what is less precise than asked", async () => {
    const results = await measure({ budgets: [8], qualityBudget: 8, qualityTokens: 0 });
    const { notes } = describeLatency(results);
    expect(notes).toEqual([
      "recompute, stride 8; sink-window, stride 8: left out at 8 cells: a stride of 8 leaves nothing of 8 cells.",
    ]);
    const rows = results.budgets[0]!.rows.map((row) =>
      row.contender === "dense" ? { ...row, reached: 0.07, tokens: 1234 } : row,
    );
    const coarse = { ...results, partial: true, budgets: [{ ...results.budgets[0]!, rows }] };
    expect(describeLatency(coarse).notes).toEqual([
      expect.stringContaining("Partial"),
      notes[0],
      "Less precise than asked (±5.0 %) at 8 cells: dense (1,234 tokens, reached ±7.0 %).",
    ]);
  });

  it("tells why there is no perplexity", async () => {
    const none = await measure({ text: { name: "A book", sha256: "b".repeat(64), tokens: fakeText(20) } });
    expect(describeLatency(none).notes).toEqual([
      "No perplexity: the text has 20 tokens, which do not fill 64 cells.",
    ]);
    expect(describeLatency(none).charts).toHaveLength(2);
  });
});

describe("judgeSlope", () => {
  const slope = { stride: 1, value: 0.9, worstFactor: 1.1, budgets: [256, 512, 1024] };

  it.each([
    [{ lower: 0.8, upper: 1 }, "it grows with the budget: slope 0.900 [0.800 … 1.00] over 3 budgets"],
    [
      { lower: -0.1, upper: 1.9 },
      "that it changes with the budget is not shown: slope 0.900 [-0.100 … 1.90] over 3 budgets",
    ],
    [{ lower: -2, upper: -1 }, "it falls with the budget: slope 0.900 [-2.00 … -1.00] over 3 budgets"],
    [null, "that it changes with the budget is not shown: slope 0.900 over 3 budgets"],
  ])("reads %o", (interval, words) => {
    expect(judgeSlope({ ...slope, interval })).toBe(words);
  });

  it("says nothing of a single budget", () => {
    expect(judgeSlope(undefined)).toContain("not shown: it takes an interval at two budgets");
  });
});

describe("judgeLatency", () => {
  it("does not call the paper reproduced where an interval reaches down to 1, or no slope is there", async () => {
    const results = await measure({ budgets: [64], qualityTokens: 0 });
    const [ratio] = results.ratios;
    const unsure = {
      ...ratio!,
      recomputeToReuse: { value: 1.2, interval: { lower: 0.9, upper: 1.5 } },
    };
    const verdicts = judgeLatency({ ...results, ratios: [unsure], slopes: [] });
    const paper = verdicts.find((verdict) => verdict.startsWith("The paper's"));
    expect(paper).toContain("for each, is not shown (budgets: 1); the growth with the budget is not shown;");
  });

  it("has nothing to say of the paper without its stride", async () => {
    const results = await measure({ qualityTokens: 0 });
    const ratios = results.ratios.filter(({ stride }) => stride === 8);
    expect(judgeLatency({ ...results, ratios }).join(" ")).not.toContain("paper");
  });
});
