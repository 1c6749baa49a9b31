import { dense } from "@kvpolicy/dense";
import { sinkWindow } from "@kvpolicy/sink-window";
import type { Llama, LlamaModel, Token } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadLlama, sampleText, tinyModelPath } from "../testing/models.js";
import { openStream } from "./open-stream.js";
import type { LlamaSampling } from "./sampling.js";
import { createTokenCodec } from "./token-codec.js";

let llama: Llama;
let model: LlamaModel;

beforeAll(async () => {
  llama = await loadLlama();
  model = await llama.loadModel({ modelPath: tinyModelPath });
});

afterAll(async () => {
  await llama.dispose();
});

async function generateByHand(
  prompt: readonly Token[],
  count: number,
  sampling: LlamaSampling,
): Promise<Token[]> {
  const context = await model.createContext({ contextSize: 256, threads: 1, flashAttention: false });
  const generated: Token[] = [];
  for await (const token of context.getSequence().evaluate([...prompt], sampling)) {
    generated.push(token);
    if (generated.length === count) break;
  }
  await context.dispose();
  return generated;
}

describe("generate draws what node-llama-cpp's own evaluation draws", () => {
  test.each<[string, LlamaSampling]>([
    ["greedily by default", {}],
    ["with a temperature and a seed", { temperature: 0.9, topK: 40, topP: 0.95, seed: 1234 }],
    [
      "with a repeat penalty",
      { repeatPenalty: { punishTokens: () => [300, 301, 302] as Token[], penalty: 3 } },
    ],
    ["with a bias of its own", { temperature: 1.2, minP: 0.05, topK: 0, topP: 1, seed: 7 }],
  ])("%s", async (_, sampling) => {
    const prompt = model.tokenize(sampleText(40));
    const expected = await generateByHand([model.tokens.bos!, ...prompt], 40, sampling);
    await using stream = await openStream(model, { policy: dense(), budget: 256, threads: 1 });
    await stream.append(prompt);
    const generated = [];
    for await (const { token } of stream.generate({ maxTokens: 40, ...sampling })) generated.push(token);
    expect(generated).toEqual(expected);
  });

  test("the same seed twice gives the same text, another seed another", async () => {
    const texts = [];
    for (const seed of [1, 1, 2]) {
      await using stream = await openStream(model, { policy: dense(), budget: 256, threads: 1 });
      await stream.appendText("The people of the United States");
      let all = "";
      for await (const { text } of stream.generate({ maxTokens: 30, temperature: 1, seed })) all += text;
      texts.push(all);
    }
    expect(texts[0]).toBe(texts[1]);
    expect(texts[2]).not.toBe(texts[0]);
  });
});

describe("generate", () => {
  test("goes on beyond the budget, and never holds more cells", async () => {
    await using stream = await openStream(model, {
      policy: sinkWindow({ sinks: 4, window: 60 }),
      threads: 1,
    });
    await stream.appendText("My fellow citizens,");
    let count = 0;
    for await (const { position } of stream.generate({ maxTokens: 300, temperature: 0.8, seed: 3 })) {
      count += 1;
      expect(position).toBe(stream.position - 1);
      expect(stream.length).toBeLessThanOrEqual(64);
    }
    expect(count).toBe(300);
    expect(stream.stats.evictions).toBeGreaterThan(10);
  });

  test("may be joined by the caller between two pieces", async () => {
    await using stream = await openStream(model, {
      policy: sinkWindow({ sinks: 4, window: 60 }),
      threads: 1,
    });
    await stream.appendText("A:");
    const start = stream.position;
    const added = model.tokenize(" yes", false);
    for await (const piece of stream.generate({ maxTokens: 3 })) {
      expect(piece.token).toBeTypeOf("number");
      await stream.append(added);
    }
    expect(stream.position).toBe(start + 3 * (1 + added.length));
  });
});

describe("text", () => {
  const text = "naïve café — “déjà vu”, 日本語, 👩‍🚀🚀 and ½\n";

  test("is encoded without BOS, and pieces of text join to what was encoded", () => {
    const codec = createTokenCodec(model);
    const tokens = Array.from(codec.encode(text));
    expect(tokens).not.toContain(model.tokens.bos);
    const decoder = codec.createDecoder();
    const pieces = tokens.map((token) => decoder.push(token));
    expect(pieces.join("") + decoder.flush()).toBe(text);
    expect(pieces.filter((piece) => piece === "").length).toBeGreaterThan(3);
    expect(pieces.join("")).not.toContain("\uFFFD");
  });

  test("of special tokens is plain text unless asked for", () => {
    expect(Array.from(createTokenCodec(model).encode("<bos>"))).not.toEqual([model.tokens.bos]);
    expect(Array.from(createTokenCodec(model, { specialTokens: true }).encode("<bos>"))).toEqual([
      model.tokens.bos,
    ]);
  });

  test("an unfinished character comes out of flush", () => {
    const codec = createTokenCodec(model);
    const decoder = codec.createDecoder();
    const [first] = Array.from(codec.encode("語"));
    expect(decoder.push(first!)).toBe("");
    expect(decoder.flush()).toBe("\uFFFD");
    expect(decoder.flush()).toBe("");
  });
});
