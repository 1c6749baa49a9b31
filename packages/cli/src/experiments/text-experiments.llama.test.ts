import { measurePerplexity, measureSinks, probeSinks, type MeasureSinksOptions } from "@kvpolicy/bench";
import { sinkWindow } from "@kvpolicy/sink-window";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { parseCommonOptions } from "../common-options.js";
import { loadModel, type LoadedModel } from "../load-model.js";
import { loadText } from "../load-text.js";
import { createMeasuredModel } from "../measured-model.js";
import { choosePolicies, parsePolicies } from "../policy-choices.js";
import { readableText, tokensForInterval } from "../readable-text.js";
import { describeSurroundings } from "../surroundings.js";

const BUDGET = 64;
const STRIDE = 16;
/** Too few for an interval. */
const TOKENS = 600;

const common = parseCommonOptions({ out: "none", keys: "F16", values: "F16", gpu: "false", seed: "1" }, {});

async function load(name: string): Promise<LoadedModel> {
  return loadModel(name, { quiet: true, signal: new AbortController().signal, gpu: false });
}

async function optionsFor(loaded: LoadedModel, tokens = TOKENS): Promise<MeasureSinksOptions> {
  return {
    model: createMeasuredModel(loaded.model, common),
    surroundings: await describeSurroundings(["probe"], common, loaded),
    text: readableText(loaded, await loadText(undefined), tokens),
    budget: BUDGET,
    stride: STRIDE,
    seed: 1,
    sinks: [0, 4],
    create: (sinks) => sinkWindow({ sinks, stride: STRIDE }),
  };
}

describe("on a model that was trained with sinks", () => {
  let loaded: LoadedModel;
  beforeAll(async () => {
    loaded = await load("tiny:sink");
  });
  afterAll(() => loaded[Symbol.asyncDispose]());

  it("a probe says collapse, and how many first tokens are enough", async () => {
    const options = await optionsFor(loaded, tokensForInterval(BUDGET));
    const { need, comparison } = await probeSinks({ ...options, sinks: [0, 1, 4] });
    expect(comparison.text.tokens).toBe(tokensForInterval(BUDGET));
    expect(comparison.policies.every(({ status }) => status === "complete")).toBe(true);
    expect(need.need).toBe("collapse");
    expect(need.withoutSinks?.nats).toBeGreaterThan(1);
    expect(need.enough?.sinks).toBe(1);
  });

  it("random tokens in place of the first ones help little, and a short text gives no verdict", async () => {
    const controls = await measureSinks({ ...(await optionsFor(loaded)), draws: 2 });
    const [none] = controls.comparison.policies;
    expect(controls.controls.map(({ name, draws }) => [name, draws])).toEqual([
      ["random anchors", 2],
      ["random recent tokens", 2],
    ]);
    for (const { ratio, interval } of controls.controls) {
      expect(ratio).toBeGreaterThan(1.5);
      expect(interval!.lower).toBeLessThan(ratio);
      expect(interval!.upper).toBeGreaterThan(ratio);
    }
    const { need } = controls;
    expect(need.need).toBe("unknown");
    expect(Math.log(none!.ratio!.value)).toBeCloseTo(need.withoutSinks!.nats, 3);
  });

  it("perplexity sees it, too, with dense in cells of its own", async () => {
    const { model, surroundings, text, seed } = await optionsFor(loaded);
    const specs = await parsePolicies(["dense", "window", "sink-window"], STRIDE, [BUDGET]);
    const results = await measurePerplexity({
      model,
      surroundings,
      seed,
      texts: [text],
      budgets: [BUDGET],
      policies: choosePolicies(specs, model, TOKENS),
    });
    const [dense, window] = results.comparisons[0]!.policies;
    expect(results.settings.reference).toBe("sink-window");
    expect(dense).toMatchObject({ status: "complete", budget: TOKENS + 1, evictions: 0 });
    expect(window!.ratio?.value).toBeGreaterThan(1.5);
    expect(window!.peakCells).toBe(BUDGET);
  });
});

describe("on a model that was trained without", () => {
  it("a probe says none", async () => {
    await using loaded = await load("tiny:plain");
    const { need } = await probeSinks(await optionsFor(loaded, tokensForInterval(BUDGET)));
    expect(need.need).toBe("none");
    expect(Math.abs(need.withoutSinks!.nats)).toBeLessThan(0.02);
    expect(need.enough?.sinks).toBe(0);
  });
});
