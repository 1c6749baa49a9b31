import { dense } from "@kvpolicy/dense";
import type { Llama, LlamaModel } from "node-llama-cpp";
import { afterAll, beforeAll, expect, test } from "vitest";

import { loadLlama, tinyModelPath } from "../testing/models.js";
import { estimateMemory } from "./estimate-memory.js";
import { openStream } from "./open-stream.js";

let llama: Llama;
let model: LlamaModel;

beforeAll(async () => {
  llama = await loadLlama();
  model = await llama.loadModel({ modelPath: tinyModelPath });
});
afterAll(() => llama.dispose());

test.each([
  { budget: 100, keyType: "F16", valueType: "F16" },
  { budget: 1000, keyType: "F32", valueType: "F16" },
  { budget: 1000, keyType: "F32", valueType: "F32", batch: 64 },
] as const)("the estimate is the one that a stream then has of itself: %o", async (options) => {
  const { ram, vram, keysAndValues } = await estimateMemory(model, options);
  await using stream = await openStream(model, { ...options, policy: dense(), onWarning: () => undefined });
  expect(ram + vram).toBe(stream.contextBytes);
  expect(keysAndValues).toBeGreaterThan(0);
  expect(keysAndValues).toBeLessThan(ram + vram);
});

test("F32 keys and values take twice what F16 ones do", async () => {
  const f16 = await estimateMemory(model, { budget: 512 });
  const f32 = await estimateMemory(model, { budget: 512, keyType: "F32", valueType: "F32" });
  expect(f32.keysAndValues).toBe(2 * f16.keysAndValues);
  expect(f32.ram).toBeGreaterThan(f16.ram);
});

test("a budget beyond the machine's memory is refused with the numbers, and nothing is simulated for minutes", async () => {
  await expect(estimateMemory(model, { budget: 1e12 })).rejects.toMatchObject({
    code: "config",
    details: { option: "budget", value: 1e12 },
  });
});

test.each([
  [{ budget: 0 }, "budget"],
  [{ budget: 64, keyType: "Q5" as never }, "keyType"],
  [{ budget: 64, valueType: "Q8_0" as const }, "valueType"],
])("%o is refused", async (options, option) => {
  await expect(estimateMemory(model, options)).rejects.toMatchObject({ code: "config", details: { option } });
});
