import { dense } from "@kvpolicy/dense";
import { sinkWindow } from "@kvpolicy/sink-window";
import { describe, expect, it } from "vitest";

import { addResults, parseResults, type ExperimentResults } from "../../results/results-file.js";
import { FakeClock, fakeText } from "../../testing/fake-contender.js";
import { fakeModel } from "../../testing/fake-model.js";
import { fakeSurroundings } from "../../testing/fake-surroundings.js";
import { describeBudgets } from "./describe-budgets.js";
import { measureBudgets, type MeasureBudgetsOptions } from "./measure-budgets.js";

const OPTIONS: MeasureBudgetsOptions = {
  model: fakeModel(),
  surroundings: fakeSurroundings(),
  text: { name: "A book", sha256: "b".repeat(64), tokens: fakeText(200) },
  policy: { name: "four sinks", create: () => sinkWindow({ stride: 2 }) },
  budgets: [32, 12, 20],
  seed: 3,
};

/** What was written comes back, and neither a number nor a field is lost on the way. */
function expectPlainData(results: ExperimentResults): void {
  expect(JSON.parse(JSON.stringify(results))).toEqual(results);
  const file = addResults(undefined, results);
  expect(parseResults(JSON.parse(JSON.stringify(file)))).toEqual(file);
}

describe("measureBudgets", () => {
  it("compares all over the same tokens, those behind the largest budget, and with the largest", async () => {
    const asked: number[] = [];
    const results = await measureBudgets({
      ...OPTIONS,
      policy: {
        name: "four sinks",
        create: (budget) => {
          asked.push(budget);
          return sinkWindow({ stride: 2 });
        },
      },
    });
    expect(asked).toEqual([12, 20, 32]);
    expect(results.settings).toEqual({ policy: "four sinks", budgets: [12, 20, 32], seed: 3 });
    const { compared, policies } = results.comparison;
    expect(compared).toEqual({ start: 32, end: 200 });
    expect(
      policies.map(({ name, budget, peakCells, perplexity }) => [
        name,
        budget,
        peakCells,
        perplexity.full.tokens,
      ]),
    ).toEqual([
      ["budget 12", 12, 12, 168],
      ["budget 20", 20, 20, 168],
      ["budget 32", 32, 32, 168],
    ]);
    expect(policies.map(({ ratio }) => ratio && [ratio.reference, ratio.tokens])).toEqual([
      ["budget 32", 168],
      ["budget 32", 168],
      null,
    ]);
    expectPlainData(results);
  });

  it.each([[[]], [[16, 32, 16]]])("refuses %j as budgets before anything is opened", async (budgets) => {
    const model = fakeModel({ onOpen: () => expect.unreachable() });
    await expect(measureBudgets({ ...OPTIONS, model, budgets })).rejects.toMatchObject({
      code: "config",
      details: { option: "budgets" },
    });
  });

  it("keeps what was measured when it is stopped", async () => {
    const stop = new AbortController();
    const clock = new FakeClock();
    const partial = await measureBudgets({
      ...OPTIONS,
      model: fakeModel({ clock }),
      clock: clock.tell,
      signal: stop.signal,
      onProgress: ({ done, total }) => {
        if (done > total / 2) stop.abort();
      },
    });
    expect(partial.partial).toBe(true);
    expect(partial.milliseconds).toBe(clock.now);
    const [first] = partial.comparison.policies;
    expect(first!.tokens).toBeGreaterThan(64);
    expect(first!.tokens).toBeLessThan(200);
    expectPlainData(partial);
    expect(describeBudgets(partial).notes[0]).toMatch(/^Partial/);
  });

  it("puts down why a budget cannot work, and goes on with the others", async () => {
    const results = await measureBudgets({ ...OPTIONS, budgets: [4, 20, 32] });
    const [small, middle] = results.comparison.policies;
    expect(small).toMatchObject({ name: "budget 4", status: "failed", budget: null, ratio: null });
    expect(middle).toMatchObject({ status: "complete", ratio: { reference: "budget 32" } });
    expectPlainData(results);
    const { charts, notes, tables, verdicts } = describeBudgets(results);
    expect(charts[0]?.series[0]?.points.map(({ x }) => x)).toEqual([20, 32]);
    expect(notes.some((note) => note.startsWith("budget 4 stopped after 0 tokens (config): "))).toBe(true);
    expect(tables[0]?.rows.map(([name]) => name)).toEqual(["budget 4 (failed)", "budget 20", "budget 32"]);
    expect(verdicts).toHaveLength(1);
  });

  it("compares nothing when the largest fails", async () => {
    const results = await measureBudgets({
      ...OPTIONS,
      policy: { name: "mixed", create: (budget) => (budget === 32 ? dense() : sinkWindow({ stride: 2 })) },
    });
    expect(results.comparison.policies.map(({ status, ratio }) => [status, ratio])).toEqual([
      ["complete", null],
      ["complete", null],
      ["failed", null],
    ]);
    expectPlainData(results);
    const section = describeBudgets(results);
    expect(section.verdicts).toEqual([]);
    expect(section.notes.some((note) => note.includes("cache-full"))).toBe(true);
  });
});

describe("describeBudgets", () => {
  it("draws, tells and names each budget", async () => {
    const results = await measureBudgets(OPTIONS);
    const [small, middle, large] = results.comparison.policies;
    const withIntervals = {
      ...results,
      comparison: {
        ...results.comparison,
        policies: [
          { ...small!, ratio: { ...small!.ratio!, interval: { lower: 1.2, upper: 1.3 } } },
          { ...middle!, ratio: { ...middle!.ratio!, interval: null } },
          large!,
        ],
      },
    };
    const section = describeBudgets(withIntervals);
    expect(section.verdicts).toEqual([
      "budget 12 is worse than budget 32 by 20 to 30 %.",
      "budget 20 against budget 32: no verdict, too little was read for an interval.",
    ]);
    expect(section.lead).toMatch(/^four sinks reads 200 tokens of A book; /);
    expect(section.charts[0]?.series[0]?.points.map(({ x, y }) => [x, y])).toEqual(
      results.comparison.policies.map(({ budget, perplexity }) => [budget, perplexity.full.value]),
    );
    const [table] = section.tables;
    for (const row of table!.rows) expect(row).toHaveLength(table!.columns.length);
    expect(table?.rows[2]?.slice(3, 5)).toEqual(["1 (reference)", "–"]);
    expect(table?.rows[0]?.slice(3, 5)).toEqual([expect.stringMatching(/^[\d.]+×$/), "1.20 … 1.30"]);
    expect(section.settings).toEqual([
      ["policy", "four sinks"],
      ["budgets", "12, 20, 32"],
      ["text", `A book, SHA-256 ${"b".repeat(64)}`],
      ["seed", "3"],
    ]);
  });
});
