import { createHash } from "node:crypto";

import { KVPolicyError } from "@kvpolicy/core";
import { describe, expect, it } from "vitest";

import type { Architecture, RandomModelOptions } from "./model-plan.js";
import { float32Values, parseGguf, type ParsedGguf } from "../../testing/parse-gguf.js";
import { randomModel } from "./random-model.js";
import { randomNumbers } from "./random-numbers.js";

const ARCHITECTURES = ["llama", "gptneox", "falcon", "mpt", "mimo2"] as const satisfies Architecture[];

const make = (options: RandomModelOptions): Promise<ParsedGguf> => parseGguf(randomModel(options));

function deviation(values: Iterable<number>): number {
  const numbers = [...values];
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  return Math.sqrt(numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / numbers.length);
}

function values(model: ParsedGguf, name: string): Float32Array {
  return float32Values(model.tensors.get(name)!);
}

describe("randomNumbers", () => {
  it("have the mean and the deviation that were asked for", () => {
    const numbers = randomNumbers(1, "numbers", 100_000, { mean: 3, deviation: 2 });
    expect(deviation(numbers)).toBeCloseTo(2, 1);
    expect(numbers.reduce((sum, value) => sum + value, 0) / numbers.length).toBeCloseTo(3, 1);
  });

  it("are other ones for another seed or name, without a correlation", () => {
    const draw = (seed: number, name: string): Float32Array =>
      randomNumbers(seed, name, 10_000, { deviation: 1 });
    const first = draw(0, "blk.0.attn_q.weight");
    for (const other of [
      draw(1, "blk.0.attn_q.weight"),
      draw(0, "blk.1.attn_q.weight"),
      draw(256, "blk.0.attn_q.weight"),
    ]) {
      const correlation = first.reduce((sum, value, index) => sum + value * other[index]!, 0) / first.length;
      expect(Math.abs(correlation)).toBeLessThan(0.05);
    }
  });

  it("start alike, whatever their count", () => {
    const long = randomNumbers(5, "name", 100, { deviation: 1 });
    expect(randomNumbers(5, "name", 10, { deviation: 1 })).toEqual(long.slice(0, 10));
  });
});

describe("randomModel", () => {
  it.each<[RandomModelOptions, string]>([
    [{ architecture: "llama" }, "8b6e7d6899317f35f8dee551dd0ee3d87b5ecec086d873fec79c1a266ea2ed59"],
    [{ architecture: "gptneox" }, "6ca5c5391c37829fc1f97e05fec51f27ae14f441fd519bbacf8517542f4ce8ee"],
    [{ architecture: "falcon" }, "5a3d5e4662d54ff263e055a1a499cc98713d284041dd799c98a432d071f3a960"],
    [
      { architecture: "mpt", biases: true },
      "84d17db7d58fb1bb5acd77a583e8bb6ebc03c4c5ec9bc9f59156f6e91c98426d",
    ],
    [
      { architecture: "mimo2", attentionSinks: "random" },
      "2ebc8d3e6a6fbaba8cba382ca6711b8cfa4922716e0135a28759a4a18a6e4e10",
    ],
    [
      { architecture: "llama", tensorType: "Q4_1", tokenizer: "byte-level", seed: 7 },
      "920142ed0be8b2e1c5a69ac616757025e10d0c1a0a562dae9be6b06ac947874e",
    ],
  ])("has the same bytes on every machine for %o", (options, hash) => {
    expect(createHash("sha256").update(randomModel(options)).digest("hex")).toBe(hash);
  });

  it("has other weights for another seed", async () => {
    const [zero, one] = await Promise.all([
      make({ architecture: "llama" }),
      make({ architecture: "llama", seed: 1 }),
    ]);
    for (const name of zero.tensors.keys()) {
      expect(values(one, name), name).not.toEqual(values(zero, name));
    }
  });

  it("shares the weights that an option does not touch", async () => {
    const [plain, changed] = await Promise.all([
      make({ architecture: "mimo2" }),
      make({ architecture: "mimo2", attentionSinks: "random", layers: 3, ropeBase: 500, contextLength: 100 }),
    ]);
    for (const name of plain.tensors.keys()) expect(values(changed, name), name).toEqual(values(plain, name));
  });

  it("states its sizes", async () => {
    const { metadata, tensors } = await make({
      architecture: "gptneox",
      layers: 3,
      heads: 6,
      keyValueHeads: 2,
      headSize: 8,
      rotated: 4,
      feedForward: 80,
      vocabularySize: 311,
      ropeBase: 5000,
      contextLength: 77,
      parallelResidual: false,
    });
    expect(metadata).toMatchObject({
      "general.architecture": "gptneox",
      "gptneox.block_count": 3,
      "gptneox.attention.head_count": 6,
      "gptneox.attention.head_count_kv": 2,
      "gptneox.embedding_length": 48,
      "gptneox.rope.dimension_count": 4,
      "gptneox.rope.freq_base": 5000,
      "gptneox.feed_forward_length": 80,
      "gptneox.vocab_size": 311,
      "gptneox.context_length": 77,
      "gptneox.use_parallel_residual": false,
    });
    expect(metadata["tokenizer.ggml.tokens"]).toHaveLength(311);
    expect(Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape]))).toMatchObject({
      "token_embd.weight": [48, 311],
      "blk.2.attn_qkv.weight": [48, 48 + 2 * 16],
      "blk.2.attn_qkv.bias": [48 + 2 * 16],
      "blk.2.attn_output.weight": [48, 48],
      "blk.2.ffn_up.weight": [48, 80],
      "blk.2.ffn_down.weight": [80, 48],
      "output.weight": [48, 311],
    });
    expect(tensors.has("blk.3.attn_qkv.weight")).toBe(false);
  });

  it("goes by another architecture's name, with other tensors", async () => {
    const plain = await make({ architecture: "llama" });
    const { metadata, tensors } = await make({
      architecture: "llama",
      architectureName: "smollm3",
      changeTensors: (own) => own.filter(({ name }) => name !== "output.weight"),
    });
    expect(metadata).toMatchObject({
      "general.architecture": "smollm3",
      "smollm3.block_count": 2,
      "smollm3.rope.freq_base": 10_000,
    });
    expect(Object.keys(metadata).filter((key) => key.startsWith("llama."))).toEqual([]);
    expect([...tensors.keys()]).toEqual([...plain.tensors.keys()].filter((name) => name !== "output.weight"));
    for (const name of tensors.keys())
      expect(values({ metadata, tensors } as ParsedGguf, name), name).toEqual(values(plain, name));
  });

  it("stores matrices in the type that was asked for, everything else in F32", async () => {
    const { tensors } = await make({ architecture: "llama", tensorType: "Q8_0", biases: true });
    for (const [name, { shape, type }] of tensors) {
      expect([name, type]).toEqual([name, shape.length === 2 ? "Q8_0" : "F32"]);
    }
  });

  it.each(ARCHITECTURES)(
    "has no norm weight of one, no bias of zero and no value beyond reason in %s",
    async (architecture) => {
      const model = await make({ architecture });
      for (const name of model.tensors.keys()) {
        const numbers = values(model, name);
        expect(numbers.every(Number.isFinite), name).toBe(true);
        if (name === "output_norm.weight" && architecture === "mpt") continue;
        if (name.includes("norm") && name.endsWith(".weight")) {
          expect(Math.abs(deviation(numbers) - 0.1), name).toBeLessThan(0.05);
          expect(
            numbers.every((value) => value > 0.5 && value < 1.5),
            name,
          ).toBe(true);
        } else if (name.endsWith(".bias")) {
          expect(Math.abs(deviation(numbers) - 0.1), name).toBeLessThan(0.05);
        }
      }
    },
  );

  describe("attention scores", () => {
    /** Scores of all pairs of embeddings in the first layer, before any rotation, which changes no length. */
    async function scores(options: RandomModelOptions): Promise<number[]> {
      const model = await make(options);
      const { metadata } = model;
      const setting = (key: string): number => Number(metadata[`${options.architecture}.${key}`]);
      const [embedding, heads, keyValueHeads] = [
        setting("embedding_length"),
        setting("attention.head_count"),
        setting("attention.head_count_kv"),
      ];
      const headSize = embedding / heads;
      const fused = model.tensors.has("blk.0.attn_qkv.weight");
      const weights = values(model, fused ? "blk.0.attn_qkv.weight" : "blk.0.attn_q.weight");
      const keyWeights = fused
        ? weights.subarray(embedding * embedding)
        : values(model, "blk.0.attn_k.weight");
      const embeddings = values(model, "token_embd.weight");
      const norm = values(model, "blk.0.attn_norm.weight");
      const inputs = Array.from({ length: 100 }, (_, token) => {
        const row = embeddings.subarray(token * embedding, (token + 1) * embedding);
        const length = Math.sqrt(row.reduce((sum, value) => sum + value ** 2, 0) / embedding);
        return row.map((value, index) => (value / length) * norm[index]!);
      });
      const project = (matrix: Float32Array, outputs: number): Float32Array[] =>
        inputs.map((input) =>
          Float32Array.from({ length: outputs }, (_, row) =>
            input.reduce((sum, value, index) => sum + value * matrix[row * embedding + index]!, 0),
          ),
        );
      const queries = project(weights, heads * headSize);
      const keys = project(keyWeights, keyValueHeads * headSize);
      const found: number[] = [];
      for (const query of queries) {
        for (const key of keys) {
          for (let head = 0; head < heads; head++) {
            const keyHead = Math.floor((head * keyValueHeads) / heads);
            let score = 0;
            for (let index = 0; index < headSize; index++) {
              score += query[head * headSize + index]! * key[keyHead * headSize + index]!;
            }
            found.push(score / Math.sqrt(headSize));
          }
        }
      }
      return found;
    }

    it.each<RandomModelOptions>([
      { architecture: "llama" },
      { architecture: "llama", scoreSpread: 1 },
      { architecture: "llama", scoreSpread: 4, heads: 2, headSize: 64 },
      { architecture: "llama", keyValueHeads: 2, seed: 3 },
      { architecture: "gptneox" },
      { architecture: "falcon", heads: 8 },
      { architecture: "mpt", headSize: 32 },
      { architecture: "mimo2" },
    ])("spread as they were asked to: %o", async (options) => {
      const ratio = deviation(await scores(options)) / (options.scoreSpread ?? 2.5);
      expect(Math.abs(ratio - 1)).toBeLessThan(0.15);
    });

    it("are all equal with a spread of zero", async () => {
      expect(deviation(await scores({ architecture: "llama", scoreSpread: 0 }))).toBe(0);
    });
  });

  describe("vocabulary", () => {
    const tokenizers = ["sentence-piece", "byte-level"] as const;

    it.each(tokenizers)("of the kind %s is distinct at any size", async (tokenizer) => {
      for (const bos of [true, false]) {
        for (const vocabularySize of [260, 290, 1100, 30_000]) {
          const { metadata } = await make({
            architecture: "llama",
            tokenizer,
            bos,
            vocabularySize,
            layers: 1,
            heads: 1,
            headSize: 2,
          });
          const tokens = metadata["tokenizer.ggml.tokens"] as string[];
          expect(new Set(tokens).size).toBe(vocabularySize);
          expect(metadata["tokenizer.ggml.token_type"]).toHaveLength(vocabularySize);
          expect(tokens[Number(metadata["tokenizer.ggml.eos_token_id"])]).toMatch(/^<\/s>$|end_of_text/);
          const bosToken = metadata["tokenizer.ggml.bos_token_id"] as number | undefined;
          expect(bosToken === undefined ? undefined : tokens[bosToken]).toBe(
            bos ? { "sentence-piece": "<s>", "byte-level": "<|begin_of_text|>" }[tokenizer] : undefined,
          );
          expect(metadata["tokenizer.ggml.add_bos_token"]).toBe(bos);
        }
      }
    });

    it("of the sentence-piece kind merges the shorter pieces first", async () => {
      const { metadata } = await make({ architecture: "llama", vocabularySize: 2000 });
      const tokens = metadata["tokenizer.ggml.tokens"] as string[];
      const scores = metadata["tokenizer.ggml.scores"] as number[];
      expect(tokens.slice(0, 5)).toEqual(["<unk>", "<s>", "</s>", "<0x00>", "<0x01>"]);
      expect(tokens.slice(257, 262)).toEqual(["<0xFE>", "<0xFF>", "▁", "e", "t"]);
      expect(metadata["tokenizer.ggml.token_type"]).toEqual([
        2,
        3,
        3,
        ...new Array<number>(256).fill(6),
        ...new Array<number>(2000 - 259).fill(1),
      ]);
      const pieces = tokens.slice(259).map((token, index) => ({ token, score: scores[259 + index]! }));
      for (const [index, { token, score }] of pieces.slice(1).entries()) {
        expect(token.length).toBeGreaterThanOrEqual(pieces[index]!.token.length);
        expect(score).toBeLessThan(pieces[index]!.score);
      }
    });

    it("of the byte-level kind makes every merge of two tokens that it has", async () => {
      const { metadata } = await make({
        architecture: "llama",
        tokenizer: "byte-level",
        vocabularySize: 2000,
      });
      const tokens = new Set(metadata["tokenizer.ggml.tokens"] as string[]);
      const merges = metadata["tokenizer.ggml.merges"] as string[];
      expect(merges).toHaveLength(2000 - 258);
      for (const merge of merges) {
        const parts = merge.split(" ");
        expect(parts).toHaveLength(2);
        expect([...parts, parts.join("")].filter((token) => !tokens.has(token))).toEqual([]);
      }
    });
  });

  it.each<[keyof RandomModelOptions, RandomModelOptions]>([
    ["rotated", { architecture: "mpt", rotated: 16 }],
    ["rotated", { architecture: "llama", rotated: 8 }],
    ["rotated", { architecture: "gptneox", rotated: 7 }],
    ["rotated", { architecture: "gptneox", rotated: 18 }],
    ["tiedOutput", { architecture: "gptneox", tiedOutput: true }],
    ["tiedOutput", { architecture: "mimo2", tiedOutput: true }],
    ["parallelResidual", { architecture: "llama", parallelResidual: true }],
    ["secondNorm", { architecture: "gptneox", secondNorm: true }],
    ["biases", { architecture: "falcon", biases: true }],
    ["biases", { architecture: "mimo2", biases: true }],
    ["biases", { architecture: "gptneox", biases: false }],
    ["ropeBase", { architecture: "mpt", ropeBase: 100 }],
    ["ropeBase", { architecture: "llama", ropeBase: 0 }],
    ["ropeFactors", { architecture: "falcon", ropeFactors: new Array<number>(8).fill(1) }],
    ["ropeFactors", { architecture: "llama", ropeFactors: [1, 2] }],
    ["ropeFactors", { architecture: "llama", ropeFactors: [1, 1, 1, 1, 1, 1, 1, 0] }],
    ["attentionSinks", { architecture: "llama", attentionSinks: 0 }],
    ["attentionSinks", { architecture: "mimo2", attentionSinks: NaN }],
    ["layers", { architecture: "mimo2", layers: 1 }],
    ["layers", { architecture: "llama", layers: 0 }],
    ["heads", { architecture: "llama", heads: 1.5 }],
    ["keyValueHeads", { architecture: "llama", heads: 4, keyValueHeads: 3 }],
    ["keyValueHeads", { architecture: "llama", heads: 4, keyValueHeads: 8 }],
    ["headSize", { architecture: "llama", headSize: 15 }],
    ["seed", { architecture: "llama", seed: -1 }],
    ["seed", { architecture: "llama", seed: 2 ** 32 }],
    ["scoreSpread", { architecture: "llama", scoreSpread: -1 }],
    ["tensorType", { architecture: "llama", heads: 3, tensorType: "Q8_0" }],
    ["tensorType", { architecture: "llama", feedForward: 100, tensorType: "Q4_0" }],
    ["vocabularySize", { architecture: "llama", vocabularySize: 259 }],
    ["vocabularySize", { architecture: "llama", bos: false, vocabularySize: 258 }],
    ["vocabularySize", { architecture: "llama", tokenizer: "byte-level", vocabularySize: 257 }],
    ["architecture", { architecture: "mamba" as "llama" }],
    ["architecture", { architecture: "constructor" as "llama" }],
    ["tensorType", { architecture: "llama", tensorType: "Q5_K" as "F32" }],
    ["tokenizer", { architecture: "llama", tokenizer: "bert" as "byte-level" }],
  ])("refuses what does not fit together: %s in %o", (option, options) => {
    let error: unknown;
    try {
      randomModel(options);
    } catch (caught) {
      error = caught;
    }
    expect(KVPolicyError.isInstance(error, "config") && error.details).toEqual({
      option,
      value: options[option],
    });
  });
});
