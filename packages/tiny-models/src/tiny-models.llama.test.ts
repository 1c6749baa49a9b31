import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { getLlama, type Llama, LlamaLogLevel, type LlamaModel, type Token } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { tinyModels } from "./index.js";
import { toFloat32 } from "./testing.js";

/** A text and the trainer's token ids, BOS not included. */
interface TokenizationSample {
  readonly kind: "tokenization";
  readonly text: string;
  readonly tokens: readonly number[];
}

/** A text, its tokens with BOS in front, and the trainer's NLL of each token after BOS, in nats. */
interface ScoredSample {
  readonly kind: "scored";
  readonly source: string;
  readonly text: string;
  readonly tokens: readonly number[];
  readonly nll: readonly number[];
}

type Sample = TokenizationSample | ScoredSample;

async function readSamples(name: string): Promise<Sample[]> {
  const fixture = await readFile(new URL(`../fixtures/${name}.jsonl`, import.meta.url), "utf8");
  return fixture
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Sample);
}

const models = await Promise.all(
  Object.values(tinyModels).map(async (tinyModel) => ({
    ...tinyModel,
    samples: await readSamples(tinyModel.name),
  })),
);

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

/** The NLL of every token after the first, in nats, with dense attention. */
async function scoreDensely(model: LlamaModel, tokens: readonly number[]): Promise<number[]> {
  const context = await model.createContext({ contextSize: 256, flashAttention: false, threads: 1 });
  try {
    const results = await context.getSequence().controlledEvaluate(
      tokens.slice(0, -1).map((token, index) => [
        token as Token,
        {
          generateNext: {
            token: true,
            totalLogitWeight: true,
            logits: { filter: { tokens: [tokens[index + 1] as Token], includeSelected: true } },
          },
        },
      ]),
    );
    return results.map((result, index) => {
      const { token, logits, totalLogitWeight } = result!.next;
      const largest = logits!.get(token!)!;
      return largest - logits!.get(tokens[index + 1] as Token)! + Math.log(totalLogitWeight!);
    });
  } finally {
    await context.dispose();
  }
}

describe.each(models)("llama.cpp on $name", (tinyModel) => {
  const tokenizationSamples = tinyModel.samples.filter((sample) => sample.kind === "tokenization");
  const scoredSamples = tinyModel.samples.filter((sample) => sample.kind === "scored");
  let llama: Llama;
  let model: LlamaModel;

  beforeAll(async () => {
    llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
    model = await llama.loadModel({ modelPath: fileURLToPath(tinyModel.url), gpuLayers: 0 });
  });
  afterAll(async () => {
    await llama.dispose();
  });

  it.each(tokenizationSamples)("tokenizes $text as the trainer does", ({ text, tokens }) => {
    expect(model.tokenize(text)).toEqual(tokens);
    expect(model.detokenize(tokens as Token[])).toBe(text);
  });

  it("starts a text with BOS", () => {
    expect(model.tokens.shouldPrependBosToken).toBe(true);
    expect(model.tokens.shouldAppendEosToken).toBe(false);
    expect(model.tokens.bos).toBe(0);
  });

  it("has an end-of-text token that no text contains", () => {
    const vocabulary = Array.from({ length: tinyModel.vocabularySize }, (_, token) => token as Token);
    const endTokens = vocabulary.filter((token) => model.isEogToken(token));
    expect(endTokens).toEqual([model.tokens.eos]);
    expect(model.tokens.eosString).toBe("<eos>");
    expect(model.tokenize("<eos> ÿ")).not.toContain(model.tokens.eos);
  });

  it("was trained on the context length that the file states", () => {
    expect(model.trainContextSize).toBe(tinyModel.contextLength);
  });

  it.each(scoredSamples)("finds the trainer's perplexity of $source", async ({ text, tokens, nll }) => {
    expect([model.tokens.bos, ...model.tokenize(text)]).toEqual(tokens);
    const scores = await scoreDensely(model, tokens);
    expect(scores).toHaveLength(nll.length);
    const ratioOfPerplexities = Math.exp(mean(scores) - mean(nll));
    expect(Math.abs(ratioOfPerplexities - 1)).toBeLessThan(0.005);
  });

  it("loads the model in F32 and comes closer to the trainer", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kvpolicy-"));
    try {
      const file = join(folder, "float32.gguf");
      await writeFile(file, toFloat32(await readFile(tinyModel.url)));
      const float32 = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
      const { tokens, nll } = scoredSamples[0]!;
      const scores = await scoreDensely(float32, tokens);
      expect(Math.abs(mean(scores) - mean(nll))).toBeLessThan(1e-3);
      await float32.dispose();
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
