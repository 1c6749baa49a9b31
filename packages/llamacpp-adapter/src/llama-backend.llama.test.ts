import type { BackendCapabilities } from "@kvpolicy/core";
import type { Llama, LlamaModel } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadLlama, sampleText, tinyModelPath } from "../testing/models.js";
import { LlamaBackend } from "./llama-backend.js";
import { NativeSequence } from "./native-sequence.js";

let llama: Llama;
let model: LlamaModel;
let tokens: Uint32Array;

beforeAll(async () => {
  llama = await loadLlama();
  model = await llama.loadModel({ modelPath: tinyModelPath });
  tokens = Uint32Array.from(model.tokenize(sampleText(300)).slice(0, 250));
});

afterAll(() => llama.dispose());

async function createBackend({
  batch = 256,
  vocabularySize = 1024,
  reindex = true,
}: Partial<Pick<BackendCapabilities, "batch" | "vocabularySize" | "reindex">> = {}): Promise<LlamaBackend> {
  const context = await model.createContext({
    contextSize: 256,
    batchSize: 256,
    threads: 1,
    flashAttention: false,
  });
  const capabilities = {
    capacity: 256,
    batch,
    vocabularySize,
    reindex,
    truncate: true,
    nll: true,
    attention: "no",
    keys: "no",
  } as const;
  return new LlamaBackend(new NativeSequence(context, context.getSequence()), capabilities, () =>
    context.dispose(),
  );
}

describe("the pending position", () => {
  test.each<[string, (backend: LlamaBackend) => Promise<unknown>]>([
    ["evict", (backend) => backend.evict([{ start: 4, end: 8 }])],
    ["truncate", (backend) => backend.truncate(10)],
    ["clear", (backend) => backend.clear()],
  ])("is gone after %s, where llama.cpp would answer from logits of before", async (_, change) => {
    const backend = await createBackend();
    await backend.decode(tokens.subarray(0, 20));
    const sampler = backend.createSampler();
    expect(await backend.nll(7)).toBeGreaterThan(0);
    expect(await sampler.sample()).toBeGreaterThanOrEqual(0);
    await change(backend);
    await expect(backend.nll(7)).rejects.toMatchObject({ code: "empty" });
    await expect(sampler.sample()).rejects.toMatchObject({ code: "empty" });
    sampler.dispose();
    await backend.dispose();
  });

  test("is read without moving a sampler on", async () => {
    const drawn = [];
    for (const reads of [0, 3]) {
      const backend = await createBackend();
      await backend.decode(tokens.subarray(0, 20));
      const sampler = backend.createSampler({ temperature: 1, seed: 5 });
      await sampler.sample();
      for (let read = 0; read < reads; read += 1) await backend.nll(read);
      drawn.push(await sampler.sample());
      sampler.dispose();
      await backend.dispose();
    }
    expect(drawn[0]).toBe(drawn[1]);
  });
});

describe("what llama.cpp would answer by ending the process, or not at all, is refused", () => {
  test.each<[string, string, (backend: LlamaBackend) => Promise<unknown>]>([
    ["a decode of nothing", "range", (backend) => backend.decode(new Uint32Array())],
    ["a decode past the capacity", "range", (backend) => backend.decode(tokens.subarray(0, 237))],
    ["a token outside the vocabulary", "range", (backend) => backend.decode(Uint32Array.of(1024))],
    ["a score past the end", "range", (backend) => backend.decode(tokens.subarray(0, 2), { scoreFrom: 2 })],
    ["the likelihood of no token", "range", (backend) => backend.nll(1024)],
    ["a reversed range", "range", (backend) => backend.evict([{ start: 8, end: 4 }])],
    ["a truncation to nothing", "range", (backend) => backend.truncate(0)],
    ["a truncation to more", "range", (backend) => backend.truncate(21)],
  ])("%s, and nothing has changed", async (_, code, call) => {
    const backend = await createBackend();
    await backend.decode(tokens.subarray(0, 20));
    const before = await backend.nll(7);
    await expect(call(backend)).rejects.toMatchObject({ code });
    expect(await backend.nll(7)).toBe(before);
    await backend.decode(tokens.subarray(20, 256 - 20));
    await backend.dispose();
  });

  test("an eviction that the model does not survive", async () => {
    const backend = await createBackend({ reindex: "its keys cannot be moved" });
    await backend.decode(tokens.subarray(0, 20));
    await expect(backend.evict([{ start: 0, end: 1 }])).rejects.toMatchObject({
      code: "unsupported",
      details: { feature: "evict", reason: "its keys cannot be moved" },
    });
    await backend.nll(7);
    await backend.dispose();
  });

  test("everything after dispose, but a second one", async () => {
    const backend = await createBackend();
    await backend.decode(tokens.subarray(0, 20));
    const sampler = backend.createSampler();
    await backend.dispose();
    await backend.dispose();
    for (const call of [
      () => backend.decode(tokens.subarray(0, 1)),
      () => backend.nll(7),
      () => sampler.sample(),
      () => backend.evict([{ start: 0, end: 1 }]),
      () => backend.truncate(1),
      () => backend.clear(),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: "disposed", details: { what: "backend" } });
    }
    expect(() => backend.createSampler()).toThrow(expect.objectContaining({ code: "disposed" }) as Error);
    sampler.dispose();
  });
});

describe("decode", () => {
  test.each([
    ["a small batch", { batch: 48 }],
    ["few rows a decode", { vocabularySize: 2 ** 17 }],
    ["both", { batch: 48, vocabularySize: 2 ** 17 }],
  ])("splits by itself and scores the same: %s", async (_, settings) => {
    const scores = [];
    for (const options of [{}, settings]) {
      const backend = await createBackend(options);
      const [from1, from100] = [await backend.decode(tokens, { scoreFrom: 1 }), await backend.nll(3)];
      await backend.clear();
      const late = await backend.decode(tokens, { scoreFrom: 100 });
      scores.push({ from1: from1!, pending: from100, late: late! });
      await backend.dispose();
    }
    const [whole, split] = scores;
    expect(whole!.from1).toHaveLength(249);
    expect(whole!.late).toHaveLength(150);
    // F16 weights and cache round differently in batches of other sizes.
    const close = (first: Float64Array, second: Float64Array): void => {
      first.forEach((value, index) => {
        expect(Math.abs(value - second[index]!)).toBeLessThan(0.02);
      });
    };
    close(split!.from1, whole!.from1);
    close(split!.late, whole!.late);
    close(whole!.late, whole!.from1.slice(99));
    expect(split!.pending).toBeCloseTo(whole!.pending, 1);
  });

  test("without scores answers nothing and leaves the last prediction to be read", async () => {
    const backend = await createBackend({ batch: 48 });
    expect(await backend.decode(tokens.subarray(0, 249))).toBeUndefined();
    const last = await backend.nll(tokens[249]!);
    await backend.clear();
    const scores = await backend.decode(tokens, { scoreFrom: 249 });
    expect(last).toBeCloseTo(scores![0]!, 1);
    await backend.dispose();
  });
});
