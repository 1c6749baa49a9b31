import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import type { Llama, LlamaModel } from "node-llama-cpp";
import { afterAll, beforeAll, expect, test } from "vitest";

import { loadLlama, sampleText, tinyModelPath } from "../testing/models.js";
import { openStream, type LlamaStream } from "./open-stream.js";

let llama: Llama;
let model: LlamaModel;

beforeAll(async () => {
  llama = await loadLlama();
  model = await llama.loadModel({ modelPath: tinyModelPath });
});
afterAll(() => llama.dispose());

const policies = [
  sinkWindow({ stride: 1 }),
  sinkWindow({ stride: 7 }),
  window({ stride: 5 }),
  recompute({ stride: 16 }),
];

async function open(index: number): Promise<LlamaStream> {
  const policy = policies[index % policies.length]!;
  return openStream(model, { policy, budget: 48 + index, threads: 1 + (index % 2) });
}

/** Reads and writes in turn, far beyond the budget, and answers every token and likelihood. */
async function work(stream: LlamaStream, index: number): Promise<{ tokens: number[]; scores: number[] }> {
  const text = model.tokenize(sampleText(400)).slice(index * 9);
  const tokens: number[] = [];
  const scores: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    scores.push(...(await stream.score(text.slice(round * 31, (round + 1) * 31))));
    const options = { maxTokens: 12, temperature: 0.8, seed: index + round };
    for await (const { token } of stream.generate(options)) tokens.push(token);
  }
  return { tokens, scores };
}

test("eight streams at once give exactly the tokens that each gives alone", async () => {
  const alone: Awaited<ReturnType<typeof work>>[] = [];
  for (let index = 0; index < 8; index += 1) {
    await using stream = await open(index);
    alone.push(await work(stream, index));
  }
  const together = await Promise.all(
    alone.map(async (_, index) => {
      await using stream = await open(index);
      return await work(stream, index);
    }),
  );
  expect(together).toEqual(alone);
  expect(new Set(alone.map(({ tokens }) => tokens.join())).size).toBe(8);
});

test("one that is disposed in the middle of its work does not disturb the others", async () => {
  await using first = await open(1);
  const second = await open(2);
  await using third = await open(3);
  const left = work(first, 1);
  const broken = expect(work(second, 2)).rejects.toMatchObject({ code: "disposed" });
  const right = work(third, 3);
  await second.append([5]);
  await second.dispose();
  await broken;
  const [leftAfter, rightAfter] = [await left, await right];
  await using again = await open(1);
  expect(await work(again, 1)).toEqual(leftAfter);
  expect(rightAfter.tokens.length).toBeGreaterThan(0);
});
