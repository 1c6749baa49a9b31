import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { getLlama, type Llama, LlamaLogLevel, type LlamaModel, type Token } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { RandomModelOptions } from "./model-plan.js";
import { randomModel } from "./random-model.js";

let llama: Llama;
let folder: string;

beforeAll(async () => {
  llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-"));
});
afterAll(async () => {
  await llama.dispose();
  await rm(folder, { recursive: true, force: true });
});

async function withModel<Result>(
  options: RandomModelOptions,
  use: (model: LlamaModel) => Promise<Result>,
): Promise<Result> {
  const modelPath = join(folder, "model.gguf");
  await writeFile(modelPath, randomModel(options));
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

interface Predictions {
  /** NLL of every token after the first, in nats. */
  readonly nll: readonly number[];
  /** Standard deviation of the logits over the vocabulary, for every prediction. */
  readonly logitDeviations: readonly number[];
  /** Tokens whose likeliest successor is the token itself. */
  readonly repetitions: number;
}

const LENGTH = 48;
/** Tokens that are evicted half-way. */
const EVICTED = { start: 4, end: 20 };

/** Tokens that every vocabulary has, none of them special. */
const tokens = Array.from({ length: LENGTH }, (_, index) => (3 + ((index * 37) % 250)) as Token);

/** Predicts each of the tokens from those before it, and loses some of them half-way when `evict` is set. */
async function predict(model: LlamaModel, { evict = false } = {}): Promise<Predictions> {
  const context = await model.createContext({ contextSize: 64, flashAttention: false, threads: 1 });
  try {
    const sequence = context.getSequence();
    const evaluate = async (from: number, to: number): Promise<Map<Token, number>[]> => {
      const results = await sequence.controlledEvaluate(
        tokens.slice(from, to).map((token) => [token, { generateNext: { token: true, logits: true } }]),
      );
      return results.map((result) => result!.next.logits!);
    };
    const half = LENGTH / 2;
    const logits = await evaluate(0, half);
    if (evict) {
      await sequence.eraseContextTokenRanges([EVICTED]);
      expect(sequence.nextTokenIndex).toBe(half - (EVICTED.end - EVICTED.start));
    }
    logits.push(...(await evaluate(half, LENGTH)));
    return {
      nll: logits.slice(0, -1).map((row, index) => logSumExp(row) - row.get(tokens[index + 1]!)!),
      logitDeviations: logits.map((row) => deviation([...row.values()])),
      repetitions: logits.filter((row, index) => Math.max(...row.values()) === row.get(tokens[index]!))
        .length,
    };
  } finally {
    await context.dispose();
  }
}

function logSumExp(row: ReadonlyMap<Token, number>): number {
  const largest = Math.max(...row.values());
  return largest + Math.log([...row.values()].reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}

function deviation(numbers: readonly number[]): number {
  const middle = mean(numbers);
  return Math.sqrt(mean(numbers.map((value) => (value - middle) ** 2)));
}

const MODELS: RandomModelOptions[] = [
  { architecture: "llama" },
  { architecture: "llama", layers: 4, keyValueHeads: 2, tiedOutput: true, biases: true },
  { architecture: "llama", layers: 1, heads: 1, headSize: 64, ropeFactors: new Array<number>(32).fill(2) },
  { architecture: "gptneox" },
  { architecture: "gptneox", rotated: 4, parallelResidual: false, layers: 3 },
  { architecture: "gptneox", keyValueHeads: 1, heads: 3, headSize: 10 },
  { architecture: "falcon" },
  { architecture: "falcon", secondNorm: true, keyValueHeads: 2, tiedOutput: true, layers: 1 },
  { architecture: "mpt" },
  { architecture: "mpt", biases: true, tiedOutput: false, heads: 6, keyValueHeads: 3, layers: 4 },
  { architecture: "mimo2" },
  { architecture: "mimo2", attentionSinks: 0, keyValueHeads: 2 },
  { architecture: "mimo2", attentionSinks: "random", layers: 4 },
  { architecture: "llama", tensorType: "F16" },
  { architecture: "gptneox", tensorType: "BF16" },
  { architecture: "falcon", tensorType: "Q8_0" },
  { architecture: "mpt", tensorType: "Q4_0" },
  { architecture: "mimo2", tensorType: "Q4_1", attentionSinks: "random" },
];

describe("llama.cpp", () => {
  it.each(MODELS)("predicts and evicts with %o", async (options) => {
    await withModel(options, async (model) => {
      const whole = await predict(model);
      expect(whole.nll).toHaveLength(LENGTH - 1);
      expect(whole.nll.filter((value) => !Number.isFinite(value))).toEqual([]);
      expect(mean(whole.logitDeviations)).toBeGreaterThan(2);
      expect(mean(whole.logitDeviations)).toBeLessThan(3);
      expect(whole.repetitions).toBeLessThan(LENGTH / 4);

      const evicted = await predict(model, { evict: true });
      expect(evicted.nll.filter((value) => !Number.isFinite(value))).toEqual([]);
      const half = LENGTH / 2;
      expect(evicted.nll.slice(0, half)).toEqual(whole.nll.slice(0, half));
      expect(evicted.nll.slice(half)).not.toEqual(whole.nll.slice(half));
    });
  });

  const nllsOf = (options: RandomModelOptions): Promise<readonly number[]> =>
    withModel(options, async (model) => (await predict(model)).nll);

  /** How far the predictions of two models lie apart: the root of the mean squared difference of NLLs, in nats. */
  async function distance(first: RandomModelOptions, second: RandomModelOptions): Promise<number> {
    const [one, two] = [await nllsOf(first), await nllsOf(second)];
    return Math.sqrt(mean(one.map((value, index) => (value - two[index]!) ** 2)));
  }

  it.each<[RandomModelOptions, Partial<RandomModelOptions>]>([
    [{ architecture: "llama" }, { seed: 1 }],
    [{ architecture: "llama" }, { biases: true }],
    [{ architecture: "llama" }, { ropeBase: 100 }],
    [{ architecture: "llama" }, { ropeFactors: new Array<number>(8).fill(4) }],
    [{ architecture: "llama" }, { scoreSpread: 1 }],
    [{ architecture: "gptneox" }, { rotated: 8 }],
    [{ architecture: "gptneox" }, { parallelResidual: false }],
    [{ architecture: "falcon" }, { secondNorm: true }],
    [{ architecture: "falcon" }, { keyValueHeads: 2 }],
    [{ architecture: "mpt" }, { biases: true }],
    [{ architecture: "mpt" }, { tiedOutput: false }],
    [{ architecture: "mimo2" }, { attentionSinks: 0 }],
    [{ architecture: "mimo2" }, { attentionSinks: "random" }],
  ])("takes notice of an option: %o with %o", async (options, change) => {
    expect(await distance(options, { ...options, ...change })).toBeGreaterThan(0.1);
  });

  it("computes the same whatever does not matter", async () => {
    const options: RandomModelOptions = { architecture: "llama" };
    expect(await distance(options, options)).toBe(0);
    expect(await distance(options, { ...options, ropeFactors: new Array<number>(8).fill(1) })).toBe(0);
    expect(await distance({ architecture: "mimo2" }, { architecture: "mimo2", attentionSinks: -100 })).toBe(
      0,
    );
  });

  it.each([
    ["F16", 0.01],
    ["BF16", 0.05],
    ["Q8_0", 0.2],
    ["Q4_0", 1.2],
    ["Q4_1", 1.2],
  ] as const)("reads %s as nearly the same model as F32", async (tensorType, limit) => {
    const difference = await distance({ architecture: "llama" }, { architecture: "llama", tensorType });
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(limit);
  });

  describe("tokenizes", () => {
    const text = "the rain in Spain: 42 tönt";

    it.each([
      { tokenizer: "sentence-piece", bos: true },
      { tokenizer: "sentence-piece", bos: false },
      { tokenizer: "byte-level", bos: true },
      { tokenizer: "byte-level", bos: false },
    ] as const)("a text there and back with %o", async ({ tokenizer, bos }) => {
      for (const vocabularySize of [260, 300, 2000]) {
        await withModel({ architecture: "llama", tokenizer, bos, vocabularySize }, (model) => {
          const found = model.tokenize(text);
          expect(model.detokenize(found).trimStart()).toBe(text);
          expect(model.tokens.shouldPrependBosToken).toBe(bos);
          expect(model.tokens.shouldAppendEosToken).toBe(false);
          if (bos) expect(model.tokens.bosString).toMatch(/^(<s>|<\|begin_of_text\|>)$/);
          expect(model.tokens.eosString).toMatch(/^(<\/s>|<\|end_of_text\|>)$/);
          if (vocabularySize === 2000) expect(found.length).toBeLessThan(text.length);
          return Promise.resolve();
        });
      }
    });
  });
});
