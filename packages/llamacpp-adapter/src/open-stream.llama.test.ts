import { definePolicy, KVPolicyError, type CacheStream } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import type { Llama, LlamaContextSequence, LlamaModel, Token } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { createTemporaryFolder, loadFloat32Model, loadLlama, sampleText } from "../testing/models.js";
import { openStream, type LlamaStream, type OpenStreamOptions, type StreamWarning } from "./open-stream.js";

const exact = { keyType: "F32", valueType: "F32", threads: 1 } as const;

let llama: Llama;
let model: LlamaModel;
let tokens: readonly number[];
let folder: Awaited<ReturnType<typeof createTemporaryFolder>>;

beforeAll(async () => {
  folder = await createTemporaryFolder();
  llama = await loadLlama();
  model = await loadFloat32Model(llama, folder.path);
  tokens = model.tokenize(sampleText(600)).slice(0, 700);
  expect(tokens).toHaveLength(700);
});

afterAll(async () => {
  await llama.dispose();
  await folder.remove();
});

function open(options: OpenStreamOptions): Promise<LlamaStream> {
  return openStream(model, { ...exact, ...options });
}

async function scoreInChunks(stream: CacheStream, chunk: number): Promise<Float64Array> {
  const scores = new Float64Array(tokens.length);
  for (let start = 0; start < tokens.length; start += chunk) {
    scores.set(await stream.score(tokens.slice(start, start + chunk)), start);
  }
  return scores;
}

/** Negative log-likelihoods of all but the first of the tokens that `prepare` answers, by node-llama-cpp's public calls alone. */
async function evaluateByHand(
  prepare: (sequence: LlamaContextSequence) => Promise<readonly number[]>,
): Promise<number[]> {
  const context = await model.createContext({
    contextSize: 256,
    threads: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32",
  });
  const sequence = context.getSequence();
  const input = await prepare(sequence);
  const outputs = await sequence.controlledEvaluate(
    input.map((token) => [
      token as Token,
      { generateNext: { probabilities: true, options: { temperature: 0, topK: 0, topP: 1 } } },
    ]),
  );
  await context.dispose();
  return input
    .slice(1)
    .map((token, index) => -Math.log(outputs[index]?.next.probabilities?.get(token as Token) ?? NaN));
}

function meanDifference(first: ArrayLike<number>, second: ArrayLike<number>): number {
  return (
    Array.from(first, (value, index) => Math.abs(value - (second[index] ?? NaN))).reduce(
      (sum, value) => sum + value,
      0,
    ) / first.length
  );
}

describe("the same tokens in other chunks leave the same cells and the same log-likelihoods", () => {
  test.each([
    ["window", window({ window: 128, stride: 8 })],
    ["sink-window", sinkWindow({ sinks: 4, window: 124, stride: 5 })],
    ["sink-window, stride 1", sinkWindow({ sinks: 4, window: 60, stride: 1 })],
    ["recompute", recompute({ window: 64, stride: 32 })],
  ])("%s", async (_, policy) => {
    const runs = [];
    for (const chunk of [1, 7, 16, tokens.length]) {
      await using stream = await open({ policy });
      runs.push({ scores: await scoreInChunks(stream, chunk), cells: stream.cells(), stats: stream.stats });
    }
    const [single, ...others] = runs;
    expect(single!.stats.evictions).toBeGreaterThan(5);
    for (const run of others) {
      expect(run.cells).toEqual(single!.cells);
      expect(run.stats).toEqual(single!.stats);
      expect(meanDifference(run.scores, single!.scores)).toBeLessThan(1e-4);
    }
  });
});

describe("scores", () => {
  test("equal the full softmax of node-llama-cpp's own evaluation", async () => {
    const input = [model.tokens.bos!, ...model.tokenize(sampleText(100))].slice(0, 80);
    const expected = await evaluateByHand(() => Promise.resolve(input));
    await using stream = await open({ policy: dense(), budget: 256 });
    const scores = await stream.score(input.slice(1));
    expect(meanDifference(scores, expected)).toBeLessThan(1e-4);
  });

  test("stop at the last decoded token: nothing predicts the first of a stream without BOS", async () => {
    await using stream = await open({ policy: dense(), budget: 256, bos: false });
    expect(await stream.score(tokens.slice(0, 1))).toEqual(Float64Array.of(NaN));
  });
});

describe("eviction", () => {
  test.each([
    ["one range", [{ start: 4, end: 24 }]],
    [
      "several ranges",
      [
        { start: 2, end: 7 },
        { start: 20, end: 23 },
        { start: 30, end: 42 },
      ],
    ],
    [
      "the tail too",
      [
        { start: 10, end: 12 },
        { start: 40, end: 58 },
      ],
    ],
  ])("moves keys as node-llama-cpp's own removal of ranges does: %s", async (_, evict) => {
    const policy = definePolicy({
      name: "fixed",
      requires: ["reindex"],
      plan: () => ({ evict, survivors: "reuse" }),
    });
    const [head, tail] = [tokens.slice(0, 60), tokens.slice(60, 80)];
    await using stream = await open({ policy, budget: 61 });
    await stream.append(head);
    const scores = await stream.score(tail);
    expect(stream.stats).toMatchObject({ evictions: 1, evictedTokens: 20 });

    const expected = await evaluateByHand(async (sequence) => {
      await sequence.evaluateWithoutGeneratingNewTokens([model.tokens.bos!, ...head] as Token[]);
      await sequence.eraseContextTokenRanges([...evict]);
      return tail;
    });
    expect(meanDifference(scores.slice(1), expected)).toBeLessThan(1e-4);
  });

  test("from cell 0 reuses keys and values: the survivors still know what was evicted", async () => {
    await using reused = await open({ policy: window({ window: 64, stride: 32 }) });
    await using fresh = await open({ policy: recompute({ window: 64, stride: 32, head: "none" }) });
    const [first, second] = [await reused.score(tokens), await fresh.score(tokens)];
    expect(reused.cells()).toEqual(fresh.cells());
    expect(reused.stats.recomputedTokens).toBe(0);
    expect(fresh.stats.recomputedTokens).toBe(fresh.stats.evictions * 32);
    expect(meanDifference(first.slice(0, 64), second.slice(0, 64))).toBeLessThan(1e-5);
    expect(meanDifference(first.slice(64), second.slice(64))).toBeGreaterThan(0.01);
  });

  test("with recomputation equals a fresh stream of the survivors", async () => {
    await using stream = await open({ policy: recompute({ window: 64, stride: 16 }) });
    await stream.append(tokens.slice(0, 63 + 16));
    const { tokens: cells, positions } = stream.cells();
    expect(positions[0]).toBe(0);
    expect(positions[1]).toBe(17);
    const next = tokens.slice(79, 80);

    await using fresh = await open({ policy: dense(), budget: 256, bos: false });
    await fresh.append(cells);
    expect(meanDifference(await stream.score(next), await fresh.score(next))).toBeLessThan(1e-4);
  });
});

describe("the collapse that the paper describes", () => {
  test("window collapses, sink-window stays with recompute, and recompute without BOS collapses too", async () => {
    const perplexity = async (policy: OpenStreamOptions["policy"]): Promise<number> => {
      await using stream = await open({ policy });
      const scores = (await stream.score(tokens)).slice(128);
      return Math.exp(scores.reduce((sum, nll) => sum + nll, 0) / scores.length);
    };
    const sinks = await perplexity(sinkWindow({ sinks: 4, window: 124 }));
    expect(await perplexity(window({ window: 128 }))).toBeGreaterThan(1.5 * sinks);
    expect(await perplexity(recompute({ window: 128 }))).toBeLessThan(1.1 * sinks);
    expect(await perplexity(recompute({ window: 128, head: "none" }))).toBeGreaterThan(1.5 * sinks);
  });
});

describe("going back", () => {
  test("truncate is an undo while nothing was evicted", async () => {
    await using stream = await open({ policy: dense(), budget: 256 });
    await stream.append(tokens.slice(0, 50));
    const first = await stream.score(tokens.slice(50, 90));
    expect(await stream.truncate(51)).toEqual({ exact: true });
    expect(meanDifference(await stream.score(tokens.slice(50, 90)), first)).toBeLessThan(1e-5);
  });

  test("clear begins again with BOS", async () => {
    await using stream = await open({ policy: sinkWindow({ sinks: 4, window: 60 }) });
    const first = await stream.score(tokens.slice(0, 200));
    await stream.clear();
    expect(stream.position).toBe(1);
    expect(meanDifference(await stream.score(tokens.slice(0, 200)), first)).toBeLessThan(1e-6);
  });
});

describe("BOS", () => {
  test("opens the stream as the metadata says, and is marked for the policy", async () => {
    const seen: unknown[] = [];
    const policy = definePolicy({
      name: "watcher",
      plan: ({ marks }) => {
        seen.push(marks);
        return null;
      },
    });
    await using stream = await open({ policy, budget: 16 });
    await expect(stream.append(tokens.slice(0, 40))).rejects.toMatchObject({ code: "cache-full" });
    expect(stream.cells().tokens[0]).toBe(model.tokens.bos);
    expect(seen).toEqual([[{ name: "bos", start: 0, end: 1 }]]);
  });
});

describe("refusals", () => {
  const expectConfig = async (options: OpenStreamOptions, message: RegExp): Promise<void> => {
    await expect(openStream(model, options)).rejects.toSatisfy(
      (error) => KVPolicyError.isInstance(error, "config") && message.test(error.message),
    );
  };

  test("budget and policy that contradict each other", async () => {
    await expectConfig({ policy: sinkWindow({ sinks: 4, window: 60 }), budget: 128 }, /128.*64/);
  });

  test("no policy", async () => {
    await expectConfig(
      {} as OpenStreamOptions,
      /policy must be what definePolicy\(\) or sinkWindow\(\) answers/,
    );
  });

  test("a budget that memory cannot hold, with an estimate", async () => {
    await expectConfig(
      { policy: sinkWindow(), budget: 1_000_000_000, onWarning: () => undefined },
      /needs about 1953125 MiB.* the machine has \d+ MiB/,
    );
  });

  test("threads that are no whole number above 0", async () => {
    for (const threads of [0, 0.5, -3, NaN])
      await expectConfig({ policy: dense(), threads }, /threads must be/);
  });

  test("quantised values without flash attention", async () => {
    await expectConfig({ policy: dense(), budget: 64, valueType: "Q8_0" }, /Q8_0 need flashAttention/);
    await using stream = await open({ policy: dense(), budget: 64, valueType: "Q8_0", flashAttention: true });
    await stream.append(tokens.slice(0, 10));
  });

  test("a token outside the vocabulary", async () => {
    await using stream = await open({ policy: dense(), budget: 64 });
    await expect(stream.append([1, 1024])).rejects.toMatchObject({
      code: "range",
      details: { value: 1024, maximum: 1023 },
    });
    expect(stream.position).toBe(1);
  });

  test("a policy that needs what llama.cpp cannot show", async () => {
    await expect(open({ policy: { ...dense(), requires: ["attention"] }, budget: 64 })).rejects.toMatchObject(
      {
        code: "unsupported",
        details: { feature: "attention", policy: "dense" },
      },
    );
  });

  test("keys of a type that would end the process", async () => {
    await expect(open({ policy: sinkWindow(), budget: 64, keyType: "BF16" })).rejects.toMatchObject({
      code: "unsupported",
    });
    await using stream = await open({ policy: recompute(), budget: 64, keyType: "BF16" });
    await stream.append(tokens.slice(0, 100));
    expect(stream.length).toBeLessThanOrEqual(64);
  });

  test("a stream, and a model, after dispose", async () => {
    const other = await loadFloat32Model(llama, folder.path);
    const stream = await openStream(other, { policy: dense(), budget: 64 });
    const sibling = await openStream(other, { policy: dense(), budget: 64 });
    await sibling.append([1, 2]);
    await stream.dispose();
    await expect(stream.append([1])).rejects.toMatchObject({ code: "disposed" });
    await other.dispose();
    await expect(sibling.append([1])).rejects.toMatchObject({ code: "disposed" });
    await expect(sibling.appendText("x")).rejects.toMatchObject({ code: "disposed" });
    await expect(openStream(other, { policy: dense() })).rejects.toMatchObject({ code: "disposed" });
  });
});

describe("warnings", () => {
  test("a budget above the trained length", async () => {
    const warnings: StreamWarning[] = [];
    await using stream = await open({
      policy: sinkWindow(),
      budget: 512,
      onWarning: (warning) => warnings.push(warning),
    });
    expect(warnings.map(({ code }) => code)).toEqual(["budget-above-trained-length"]);
    expect(warnings[0]!.message).toMatch(/512.*256/);
    await stream.append(tokens);
    expect(stream.stats.peakCells).toBe(512);
  });
});
