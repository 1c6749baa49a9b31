import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { parseCommonOptions } from "../common-options.js";
import type { Laboratory } from "../experiment-command.js";
import { loadModel, type LoadedModel } from "../load-model.js";
import { createMeasuredModel } from "../measured-model.js";
import { latencyCommand } from "./latency.js";

let loaded: LoadedModel;

beforeAll(async () => {
  loaded = await loadModel("tiny:sink", { quiet: true, signal: new AbortController().signal });
});

afterAll(async () => {
  await loaded[Symbol.asyncDispose]();
});

describe("kvpolicy latency on llama.cpp", () => {
  it(
    "times whole strides of every contender, and what recomputation predicts",
    { timeout: 60_000 },
    async () => {
      const common = parseCommonOptions(
        { out: "unused", keys: "F16", values: "F16", gpu: "auto", seed: "1" },
        {},
      );
      const raw: Record<string, unknown> = {};
      for (const option of latencyCommand.options) raw[option.attributeName()] = option.defaultValue;
      Object.assign(raw, {
        budgets: "32,128",
        strides: "1,16",
        minutes: "1",
        precision: "60",
        qualityTokens: "64",
      });
      const run = await latencyCommand.prepare(raw, common);
      const results = await run({
        model: createMeasuredModel(loaded.model, common),
        // The header is the business of who runs the command.
        surroundings: {} as Laboratory["surroundings"],
        residentBytes: () => process.memoryUsage.rss(),
        loaded,
        common,
        save: () => Promise.resolve(),
      });
      if (results.experiment !== "latency") throw new Error(`results of ${results.experiment}`);
      const { budgets, quality, ratios } = results;
      expect(budgets).toHaveLength(2);
      for (const { budget, rows } of budgets) {
        expect(rows).toHaveLength(5);
        for (const { status, kind, stride, evaluatedPerToken, meanCells, mean, contextBytes } of rows) {
          expect(status).toBe("measured");
          expect(evaluatedPerToken).toBeCloseTo(kind === "recompute" ? budget / (stride ?? 1) : 1, 10);
          expect(meanCells).toBe(budget - ((stride ?? 16) - 1) / 2);
          expect(mean).toBeGreaterThan(0);
          expect(contextBytes).toBeGreaterThan(0);
        }
      }
      const paper = ratios.find(({ budget, stride }) => budget === 128 && stride === 1);
      expect(paper?.recomputeToReuse?.value).toBeGreaterThan(1);
      for (const { perplexity, tokens } of quality?.rows ?? []) {
        expect(perplexity).toBeGreaterThan(1);
        expect(tokens).toBeGreaterThanOrEqual(64);
      }
      expect(quality?.rows).toHaveLength(4);
    },
  );
});
