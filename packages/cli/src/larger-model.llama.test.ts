import { readText, perplexity, type Reading } from "@kvpolicy/bench";
import { dense } from "@kvpolicy/dense";
import { createTokenCodec, openStream } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import { afterAll, beforeAll, describe, expect, test, type TestContext } from "vitest";

import { loadModel, type LoadedModel } from "./load-model.js";
import { loadText } from "./load-text.js";

const path = process.env["KVPOLICY_MODEL"];
let loaded: LoadedModel | undefined;

beforeAll(async () => {
  if (path !== undefined)
    loaded = await loadModel(path, { quiet: true, signal: new AbortController().signal });
}, 60_000);

afterAll(async () => {
  await loaded?.[Symbol.asyncDispose]();
});

/** The model, or the end of the test with a reason that the report names. */
function requireModel({ skip }: TestContext): LoadedModel {
  if (loaded) return loaded;
  return skip("set KVPOLICY_MODEL to the path of a GGUF file to run it");
}

describe("a larger model, named by KVPOLICY_MODEL", () => {
  test("reads beyond its cache with sinks, and worse without", { timeout: 300_000 }, async (context) => {
    const { model } = requireModel(context);
    const budget = 256;
    const tokens = model.tokenize((await loadText(undefined)).text.slice(0, 8000)).slice(0, 768);
    const { readings } = await readText({
      tokens,
      budget,
      contenders: [window({ stride: 16 }), sinkWindow({ stride: 16 })].map((policy) => ({
        name: policy.name,
        policy,
        open: () => openStream(model, { policy, budget }),
      })),
    });
    const [without = NaN, sinks = NaN] = readings.map(
      ({ nlls, firstPosition }: Reading) => perplexity(nlls, budget - firstPosition).value ?? NaN,
    );
    // How much worse differs from model to model; `benchmarks/results` has the figures of one.
    expect(without).toBeGreaterThan(sinks);
    for (const { stats, status } of readings) {
      expect(status).toBe("complete");
      expect(stats?.peakCells).toBe(budget);
      expect(stats?.recomputedTokens).toBe(0);
    }
  });

  test("begins its stream as its metadata says", async (context) => {
    const { model } = requireModel(context);
    await using stream = await openStream(model, { policy: dense(), budget: 256 });
    expect(stream.position).toBe(model.tokens.shouldPrependBosToken ? 1 : 0);
    const [first = 0] = await stream.score(model.tokenize("Call me Ishmael."));
    expect(Number.isNaN(first)).toBe(!model.tokens.shouldPrependBosToken);
  });

  test("writes text without broken characters, and stays inside its budget", async (context) => {
    const { model } = requireModel(context);
    const codec = createTokenCodec(model);
    await using stream = await openStream(model, { policy: sinkWindow({ stride: 16 }), budget: 64 });
    await stream.append(codec.encode("Once upon a time, in a café by the sea,"));
    let written = "";
    for await (const { text } of stream.generate({ maxTokens: 96, temperature: 0.8, seed: 1 }))
      written += text;
    expect(written.length).toBeGreaterThan(50);
    expect(written).not.toContain("\uFFFD");
    expect(stream.stats.peakCells).toBeLessThanOrEqual(64);
  });
});
