import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import { beforeAll, describe, expect, it } from "vitest";

import { fakeModel } from "../../testing/fake-model.js";
import { fakeSurroundings } from "../../testing/fake-surroundings.js";
import { describeStreamEval } from "./describe-stream-eval.js";
import { measureStreamEval } from "./measure-stream-eval.js";
import type { StreamEvalPolicy, StreamEvalResults } from "./stream-eval-results.js";

const INTERVAL = { lower: 1.1, upper: 1.3 };
let results: StreamEvalResults;

beforeAll(async () => {
  results = await measureStreamEval({
    model: fakeModel(),
    surroundings: fakeSurroundings(),
    policies: [
      { name: "window", create: () => window({ stride: 3 }) },
      { name: "sink-window", create: () => sinkWindow({ stride: 3 }) },
    ],
    budget: 150,
    digits: 2,
    distances: [1, 5],
    every: 3,
    lines: 60,
    seed: 1,
  });
});

/** The results with another row for the first policy. */
function withRow(row: Partial<StreamEvalPolicy>): StreamEvalResults {
  const [first, ...others] = results.policies;
  return { ...results, policies: [{ ...first!, ...row }, ...others] };
}

describe("describeStreamEval", () => {
  it("says what was measured, and how", () => {
    const { lead, settings, definitions, limits, notes } = describeStreamEval(results);
    expect(lead).toContain("60 numbered lines");
    expect(lead).toContain("20 queries for the 2 digits");
    expect(settings).toContainEqual(["distances", "1, 5 lines"]);
    expect(definitions.find(({ term }) => term === "accuracy")?.meaning).toContain("By chance 1 %");
    expect(definitions.find(({ term }) => term === "NLL")?.meaning).toContain("4.61");
    expect(limits.join(" ")).toContain("Evicted text is gone");
    expect(notes).toEqual([]);
  });

  it("judges in words", () => {
    const margin = { mean: 1.2, interval: INTERVAL };
    const inside = {
      ...results.policies[0]!.inside,
      queries: 40,
      right: 10,
      rightInterval: { lower: 0.14, upper: 0.4 },
      margin,
    };
    const outside = {
      ...inside,
      right: 0,
      rightInterval: { lower: 0, upper: 0.09 },
      margin: { mean: 0.0001, interval: { lower: -0.01, upper: 0.01 } },
    };
    const flatness = {
      first: margin,
      last: margin,
      difference: { lower: -0.2, upper: 0.2 },
      verdict: "flat",
    } as const;
    const [verdict] = describeStreamEval(
      withRow({ inside, outside, recall: "shown", leak: "none", flatness }),
    ).verdicts;
    expect(verdict).toBe(
      "window: sees what is in the cache, with a margin of 1.20 [1.10 … 1.30] nats; none outside of it, 0 [-0.0100 … 0.0100] nats; " +
        "flat over the stream; 25.0 % [14.0 … 40.0] right inside; 0.0 % [0.0 … 9.0] right outside.",
    );
    const others = withRow({
      recall: "not shown",
      leak: "something",
      flatness: { ...flatness, verdict: "falls" },
    });
    expect(describeStreamEval(others).verdicts[0]).toMatch(
      /is not shown to see .*something outside.*falling over/,
    );
    const nothing = { ...inside, right: null, rightInterval: null };
    const silent = withRow({ inside: nothing, outside: nothing, recall: null, leak: null, flatness: null });
    expect(describeStreamEval(silent).verdicts[0]).toBe("window: nothing to judge.");
  });

  it("draws margin and accuracy over the distance, and the margin along the stream", () => {
    const [byDistance, accuracy, along] = describeStreamEval(results).charts;
    const [first] = results.policies;
    expect(byDistance?.series.map(({ name }) => name)).toEqual(["window", "sink-window"]);
    expect(byDistance?.rules).toContainEqual({ axis: "x", at: 150, label: "budget 150" });
    expect(byDistance?.series[0]?.points).toEqual(
      first!.distances.map(({ tokens, margin }) => ({ x: tokens, y: margin!.mean, ...margin!.interval })),
    );
    expect(accuracy?.series[0]?.points[0]?.y).toBe(
      (100 * first!.distances[0]!.right!) / first!.distances[0]!.queries,
    );
    expect(along?.series.map(({ name }) => name)).toContain("window, outside");
    for (const { name, points } of along!.series) {
      const place = name.endsWith("inside") ? "inside" : "outside";
      const policy = results.policies.find((row) => name === `${row.name}, ${place}`)!;
      const margins = policy.answers.filter((answer) => answer.place === place);
      expect(points.length).toBe(Math.min(12, margins.length));
      const positions = margins.map(({ query }) => results.record.queries[query]!.position);
      expect(points[0]!.x).toBeGreaterThanOrEqual(Math.min(...positions));
      expect(points.at(-1)!.x).toBeLessThanOrEqual(Math.max(...positions));
    }
  });

  it("has a row for each place that was asked at, and for each distance", () => {
    const [places, distances] = describeStreamEval(results).tables;
    expect(places?.rows.map(([name]) => name)).toContain("sink-window, outside");
    const asked = results.policies.flatMap(({ inside, partial, outside }) => [inside, partial, outside]);
    expect(places?.rows).toHaveLength(asked.filter(({ queries }) => queries > 0).length);
    expect(distances?.rows.map(([lines]) => lines)).toEqual(["1", "5"]);
    const flatness = {
      first: { mean: 1.5, interval: INTERVAL },
      last: { mean: 1.25, interval: INTERVAL },
      difference: { lower: -0.5, upper: 0.05 },
      verdict: "not shown",
    } as const;
    expect(describeStreamEval(withRow({ flatness })).tables[2]?.rows[0]?.slice(3)).toEqual([
      "-0.250",
      "-0.500 … 0.0500",
      "not shown",
    ]);
    for (const { columns, rows } of describeStreamEval(results).tables)
      for (const row of rows) expect(row).toHaveLength(columns.length);
  });

  it("says what is missing", () => {
    const empty = {
      queries: 0,
      right: null,
      rightInterval: null,
      tokensRight: null,
      nll: null,
      margins: 0,
      margin: null,
    };
    const notes = (row: Partial<StreamEvalPolicy>): string =>
      describeStreamEval(withRow(row)).notes.join("\n");
    expect(notes({ outside: empty })).toContain("window: no value was outside of the cache");
    expect(notes({ inside: empty })).toContain("window: no value was inside of the cache");
    expect(notes({ marginProblem: "it cannot save." })).toContain("window has no margins: it cannot save.");
    expect(notes({ otherCells: 3 })).toContain("in 3 of the margins");
    expect(notes({ warnings: ["Careful."] })).toContain("window: Careful.");
    expect(describeStreamEval({ ...results, partial: true }).notes[0]).toContain("Partial");
    const short = { ...results, settings: { ...results.settings, budget: 1e6 } };
    expect(describeStreamEval(short).notes[0]).toContain("nothing was evicted");
  });

  it("leaves out accuracy where nobody looked", () => {
    const policies = results.policies.map((policy) => ({
      ...policy,
      answers: policy.answers.map((answer) => ({ ...answer, tokensRight: null })),
    }));
    expect(describeStreamEval({ ...results, policies }).charts.map(({ title }) => title)).toEqual([
      "Margin by distance",
      "Margin along the stream",
    ]);
  });
});
