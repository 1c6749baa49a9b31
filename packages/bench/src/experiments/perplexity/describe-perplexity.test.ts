import { dense } from "@kvpolicy/dense";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import { beforeAll, describe, expect, it } from "vitest";

import { fakeText } from "../../testing/fake-contender.js";
import { fakeModel } from "../../testing/fake-model.js";
import { fakeSurroundings } from "../../testing/fake-surroundings.js";
import type { PolicyChoice } from "../policy-choice.js";
import { describePerplexity } from "./describe-perplexity.js";
import { measurePerplexity } from "./measure-perplexity.js";
import type { PerplexityResults } from "./perplexity-results.js";

const POLICIES: readonly PolicyChoice[] = [
  { name: "dense", create: () => dense() },
  { name: "window", create: () => window({ stride: 2 }) },
  { name: "sinks", create: () => sinkWindow({ stride: 2 }) },
];

function measure(budgets: readonly number[], lengths: readonly number[]): Promise<PerplexityResults> {
  return measurePerplexity({
    model: fakeModel(),
    surroundings: fakeSurroundings(),
    texts: lengths.map((length, index) => ({
      name: `text ${index + 1}`,
      sha256: String(index).repeat(64),
      tokens: fakeText(length),
    })),
    policies: POLICIES,
    budgets,
    seed: 7,
  });
}

/** The results with other ratios of `window`, budget by budget. */
function withRatios(
  results: PerplexityResults,
  intervals: readonly ({ readonly lower: number; readonly upper: number } | null)[],
): PerplexityResults {
  return {
    ...results,
    budgets: results.budgets.map((budget, index) => ({
      ...budget,
      policies: budget.policies.map((policy) =>
        policy.name === "window"
          ? { ...policy, ratio: { value: 2, interval: intervals[index] ?? null } }
          : policy,
      ),
    })),
  };
}

let one: PerplexityResults;
let several: PerplexityResults;
beforeAll(async () => {
  one = await measure([16], [120]);
  several = await measure([16, 24], [120, 100]);
});

describe("describePerplexity", () => {
  it("has a verdict for each policy that is compared, with its budget where there are several", () => {
    expect(describePerplexity(withRatios(one, [{ lower: 1.83, upper: 1.91 }])).verdicts).toEqual([
      "window is worse than sinks by 83 to 91 %.",
    ]);
    expect(describePerplexity(withRatios(one, [null])).verdicts).toEqual([
      "window against sinks: no verdict, too little was read for an interval.",
    ]);
    const both = withRatios(several, [
      { lower: 1.83, upper: 1.91 },
      { lower: 0.99, upper: 1.01 },
    ]);
    expect(describePerplexity(both).verdicts).toEqual([
      "Budget 16: window is worse than sinks by 83 to 91 %.",
      "Budget 24: window and sinks are the same within 3 %: from 1.0 % better to 1.0 % worse.",
    ]);
  });

  it("draws a chart for each budget, and one over the budgets where there are several", () => {
    expect(describePerplexity(one).charts.map(({ title }) => title)).toEqual([
      "Perplexity of the last 32 tokens over the stream position",
    ]);
    const [over, ...positions] = describePerplexity(several).charts;
    expect(over?.title).toBe("Perplexity over the budget");
    expect(positions.map(({ caption }) => /a budget of (\d+) cells/.exec(caption)?.[1])).toEqual([
      "16",
      "24",
    ]);
    const sinks = over?.series.find(({ name }) => name === "sinks");
    expect(sinks?.points.map(({ x }) => x)).toEqual([16, 24]);
    expect(sinks?.points.map(({ y }) => y)).toEqual(
      several.budgets.map(({ policies }) => policies.find(({ name }) => name === "sinks")?.perplexity),
    );
    const bounds = several.budgets.map(
      ({ policies }) => policies.find(({ name }) => name === "sinks")?.interval ?? null,
    );
    expect(bounds).not.toContain(null);
    expect(sinks?.points.map(({ lower, upper }) => ({ lower, upper }))).toEqual(bounds);
  });

  it("has a table for each budget, and one text by text where there are several", () => {
    const [table, ...others] = describePerplexity(one).tables;
    expect(others).toEqual([]);
    expect(table?.caption).toBe("Perplexity at a budget of 16 cells, lower is better");
    expect(table?.rows.map(([name]) => name)).toEqual(["dense", "window", "sinks"]);
    for (const row of table?.rows ?? []) expect(row).toHaveLength(table?.columns.length ?? 0);
    const ratios = table?.rows.map((row) => row[table.columns.indexOf("ratio to sinks")]);
    expect(ratios?.[2]).toBe("1 (reference)");
    expect(ratios?.[1]).toMatch(/^[\d.]+×$/);

    const tables = describePerplexity(several).tables;
    expect(tables.map(({ caption }) => caption)).toEqual([
      "Perplexity at a budget of 16 cells, lower is better",
      "Perplexity at a budget of 24 cells, lower is better",
      "Text by text",
    ]);
    const texts = tables[2]!;
    expect(texts.rows.map((row) => row.slice(0, 3))).toEqual(
      [16, 24].flatMap((budget) =>
        ["text 1", "text 2"].flatMap((text) =>
          ["dense", "window", "sinks"].map((policy) => [text, String(budget), policy]),
        ),
      ),
    );
    for (const row of texts.rows) expect(row).toHaveLength(texts.columns.length);
  });

  it("names why a policy stopped, once for each budget", () => {
    const { notes } = describePerplexity(one);
    expect(
      notes.filter((note) => note.startsWith("Budget 16: dense stopped after 16 tokens (cache-full): ")),
    ).toHaveLength(1);
    expect(describePerplexity(several).notes.filter((note) => note.includes("cache-full"))).toHaveLength(2);
    expect(notes.some((note) => note.includes("Partial"))).toBe(false);
  });

  it("says of one text what it cannot say of others, and of several that texts are clusters", () => {
    const [single, clusters] = [describePerplexity(one), describePerplexity(several)];
    expect(single.limits.some((limit) => limit.startsWith("One text was read"))).toBe(true);
    expect(clusters.limits.some((limit) => limit.startsWith("One text was read"))).toBe(false);
    const ratioOf = ({ definitions }: typeof single): string | undefined =>
      definitions.find(({ term }) => term === "ratio")?.meaning;
    expect(single.definitions.find(({ term }) => term === "95 % interval")?.meaning).toMatch(
      /moving-block bootstrap.*seed 7/,
    );
    expect(ratioOf(clusters)).toMatch(/Texts are clusters.*Student's t/);
  });

  it("names texts, tokens, budgets and seed", () => {
    const { lead, settings } = describePerplexity(several);
    expect(lead).toMatch(/^220 tokens of text 1, text 2 at budgets of 16, 24 cells; /);
    expect(describePerplexity(one).lead).toMatch(/^120 tokens of text 1 at a budget of 16 cells; /);
    expect(settings).toEqual([
      ["budgets", "16, 24"],
      ["text", `text 1, 120 tokens, SHA-256 ${"0".repeat(64)}`],
      ["text", `text 2, 100 tokens, SHA-256 ${"1".repeat(64)}`],
      ["compared with", "sinks"],
      ["seed of the intervals", "7"],
    ]);
  });
});
