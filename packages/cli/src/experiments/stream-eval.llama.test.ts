import { measureStreamEval, type StreamEvalResults } from "@kvpolicy/bench";
import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadModel, type LoadedModel } from "../load-model.js";
import { createMeasuredModel } from "../measured-model.js";

const BUDGET = 160;
let loaded: LoadedModel;
let results: StreamEvalResults;

beforeAll(async () => {
  loaded = await loadModel("tiny:sink", { quiet: true, signal: new AbortController().signal, gpu: false });
  results = await measureStreamEval({
    model: createMeasuredModel(loaded.model, { keys: "F16", values: "F16", threads: 1 }),
    surroundings: {} as never,
    policies: [
      { name: "window", create: () => window({ stride: 8 }) },
      { name: "sink-window", create: () => sinkWindow({ stride: 8 }) },
      { name: "recompute", create: () => recompute({ stride: 40 }) },
      { name: "dense", create: () => dense(), cells: 4096 },
    ],
    budget: BUDGET,
    digits: 2,
    distances: [1, 8],
    every: 4,
    lines: 28,
    seed: 1,
  });
});

afterAll(async () => {
  await loaded[Symbol.asyncDispose]();
});

describe("stream-eval on llama.cpp", () => {
  test("asks inside and outside of the cache, and all inside of a dense one", () => {
    const full = results.policies.at(-1);
    for (const row of results.policies.slice(0, -1)) {
      expect(row).toMatchObject({ status: "complete", marginProblem: null, otherCells: 0, warnings: [] });
      const [near, far] = row.distances;
      expect(near!.inside).toBe(near!.queries);
      expect(far!.outside).toBe(far!.queries);
    }
    expect(full).toMatchObject({ status: "complete", evictions: 0 });
    expect(full!.inside.queries).toBe(results.record.queries.length);
  });

  test("measures the same once more, to the last bit", async () => {
    const again = await measureStreamEval({
      model: createMeasuredModel(loaded.model, { keys: "F16", values: "F16", threads: 1 }),
      surroundings: {} as never,
      policies: [{ name: "sink-window", create: () => sinkWindow({ stride: 8 }) }],
      budget: BUDGET,
      digits: 2,
      distances: [1, 8],
      every: 4,
      lines: 28,
      seed: 1,
    });
    expect(again.policies[0]!.answers).toEqual(results.policies[1]!.answers);
  });

  test("finds no trace at all of what is gone where the survivors are evaluated again", () => {
    const { answers } = results.policies[2]!;
    const margins = answers.flatMap(({ place, margin }) => (place === "outside" ? [margin] : []));
    expect(margins.length).toBeGreaterThan(1);
    expect(new Set(margins)).toEqual(new Set([0]));
  });

  test("sees the value where it is, more than where it is gone", () => {
    for (const { answers } of results.policies.slice(0, 2)) {
      const sizeOf = (place: string): number => {
        const margins = answers.flatMap((answer) =>
          answer.place === place ? Math.abs(answer.margin ?? NaN) : [],
        );
        return margins.reduce((sum, margin) => sum + margin, 0) / margins.length;
      };
      expect(sizeOf("inside")).toBeGreaterThan(2 * sizeOf("outside"));
    }
  });
});
