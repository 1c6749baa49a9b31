import { readFile } from "node:fs/promises";

import { tinyModels } from "@kvpolicy/tiny-models";
import { describe, expect, test } from "vitest";

import { loadModel } from "./index.js";
import {
  float32,
  randomModel,
  stringArray,
  uint32,
  uint32Array,
  uint64,
  writeGguf,
  type GgufTensor,
} from "./testing.js";

const WIDTH = 8;

/** A Llama of one layer by hand; a test takes something away from it, or changes it. */
function handmade(change: (parts: Parts) => unknown): Uint8Array {
  const parts: Parts = {
    metadata: {
      "general.architecture": "llama",
      "llama.context_length": uint32(64),
      "llama.embedding_length": uint32(WIDTH),
      "llama.block_count": uint32(1),
      "llama.feed_forward_length": uint32(4),
      "llama.attention.head_count": uint32(2),
      "llama.attention.layer_norm_rms_epsilon": float32(1e-5),
      "tokenizer.ggml.tokens": stringArray(["a", "b", "c"]),
    },
    tensors: new Map(
      Object.entries({
        "token_embd.weight": [WIDTH, 3],
        "output_norm.weight": [WIDTH],
        "blk.0.attn_norm.weight": [WIDTH],
        "blk.0.attn_q.weight": [WIDTH, WIDTH],
        "blk.0.attn_k.weight": [WIDTH, WIDTH],
        "blk.0.attn_v.weight": [WIDTH, WIDTH],
        "blk.0.attn_output.weight": [WIDTH, WIDTH],
        "blk.0.ffn_norm.weight": [WIDTH],
        "blk.0.ffn_gate.weight": [WIDTH, 4],
        "blk.0.ffn_up.weight": [WIDTH, 4],
        "blk.0.ffn_down.weight": [4, WIDTH],
      }),
    ),
  };
  change(parts);
  return writeGguf({
    metadata: parts.metadata,
    tensors: Array.from(parts.tensors, ([name, shape]): GgufTensor => ({
      name,
      shape,
      type: "F32",
      data: new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(0.1),
    })),
  });
}

interface Parts {
  readonly metadata: Record<string, Parameters<typeof writeGguf>[0]["metadata"][string]>;
  readonly tensors: Map<string, readonly number[]>;
}

test("the handmade model is sound", async () => {
  const model = await loadModel(handmade(() => undefined));
  expect(model).toMatchObject({ architecture: "llama", vocabularySize: 3, contextLength: 64, width: WIDTH });
  expect(model.shape).toEqual({ heads: 2, keyValueHeads: 2, headSize: 4 });
  expect(model.output.weights).toBe(model.embeddings);
});

describe("a damaged model is refused:", () => {
  test.each<[string, (parts: Parts) => unknown, RegExp]>([
    [
      "a missing tensor",
      ({ tensors }) => tensors.delete("blk.0.attn_k.weight"),
      /the tensor blk\.0\.attn_k\.weight is missing/,
    ],
    [
      "a tensor of the wrong shape",
      ({ tensors }) => tensors.set("blk.0.ffn_down.weight", [WIDTH, 4]),
      /blk\.0\.ffn_down\.weight has the shape \[8, 4\] where its settings ask for \[4, 8\]/,
    ],
    [
      "no embeddings",
      ({ tensors }) => tensors.delete("token_embd.weight"),
      /token_embd\.weight is missing, or is no matrix/,
    ],
    [
      "no architecture",
      ({ metadata }) => delete metadata["general.architecture"],
      /general\.architecture must be a name/,
    ],
    [
      "a missing setting",
      ({ metadata }) => delete metadata["llama.block_count"],
      /block_count must be a number, not undefined/,
    ],
    [
      "a setting of another kind",
      ({ metadata }) => (metadata["llama.embedding_length"] = "eight"),
      /embedding_length must be a number, not "eight"/,
    ],
    [
      "no tokens",
      ({ tensors }) => tensors.set("token_embd.weight", [WIDTH, 0]),
      /it has no token embeddings/,
    ],
    [
      "heads of a size that would fill the memory",
      ({ metadata }) => (metadata["llama.attention.key_length"] = uint32(2 ** 30)),
      /blk\.0\.attn_output\.weight has the shape \[8, 8\] where its settings ask for \[2147483648, 8\]/,
    ],
    [
      "a count that is no number of JSON",
      ({ metadata }) => (metadata["llama.block_count"] = uint64(2n ** 60n)),
      /block_count must be a number, not 1152921504606846976/,
    ],
    [
      "a kind of scaling that is no word",
      ({ metadata }) => (metadata["llama.rope.scaling.type"] = uint32(1)),
      /rope\.scaling\.type must be a word, not 1/,
    ],
    [
      "no layers",
      ({ metadata }) => (metadata["llama.block_count"] = uint32(0)),
      /block_count must be a whole number of at least 1, not 0/,
    ],
    [
      "heads that cannot share",
      ({ metadata }) => (metadata["llama.attention.head_count_kv"] = uint32(3)),
      /2 heads cannot share 3 keys and values/,
    ],
    [
      "more rotated dimensions than a head has",
      ({ metadata }) => (metadata["llama.rope.dimension_count"] = uint32(6)),
      /6 dimensions cannot be rotated in heads of 4/,
    ],
  ])("%s", async (_, change, message) => {
    const loading = loadModel(handmade(change));
    await expect(loading).rejects.toMatchObject({ code: "config", details: { option: "model" } });
    await expect(loading).rejects.toThrow(message);
  });
});

describe("what would be computed wrongly is refused:", () => {
  test.each<[string, (parts: Parts) => unknown, RegExp]>([
    [
      "another architecture",
      ({ metadata }) => (metadata["general.architecture"] = "mamba"),
      /architecture mamba: only llama, gptneox, falcon, mpt, mimo2/,
    ],
    [
      "a tensor that nobody reads",
      ({ tensors }) => tensors.set("blk.0.ffn_gate_inp.weight", [WIDTH, 2]),
      /tensor blk\.0\.ffn_gate_inp\.weight/,
    ],
    [
      "the name of something else in JavaScript",
      ({ metadata }) => (metadata["general.architecture"] = "constructor"),
      /architecture constructor/,
    ],
    [
      "YaRN",
      ({ metadata }) => (metadata["llama.rope.scaling.type"] = "yarn"),
      /rope\.scaling\.type: scaling of the kind yarn/,
    ],
    [
      "experts",
      ({ metadata }) => (metadata["llama.expert_count"] = uint32(8)),
      /expert_count: it is 8, and only 0/,
    ],
    [
      "attention to what comes after",
      ({ metadata }) => (metadata["llama.attention.causal"] = false),
      /attention\.causal: it is false/,
    ],
    [
      "values of another size than keys",
      ({ metadata }) => (metadata["llama.attention.value_length"] = uint32(8)),
      /attention\.value_length/,
    ],
    [
      "a setting that nobody reads",
      ({ metadata }) => (metadata["llama.attention.scale"] = float32(0.5)),
      /attention\.scale: this package knows no such setting of the architecture llama/,
    ],
    [
      "layers that differ",
      ({ metadata }) => (metadata["llama.attention.head_count"] = uint32Array([2, 4])),
      /it differs from layer to layer: 2, 4/,
    ],
  ])("%s", async (_, change, message) => {
    const loading = loadModel(handmade(change));
    await expect(loading).rejects.toMatchObject({ code: "unsupported" });
    await expect(loading).rejects.toThrow(message);
  });
});

describe("settings change what is computed:", () => {
  test("linear scaling divides the angles", async () => {
    const plain = await loadModel(handmade(() => undefined));
    const scaled = await loadModel(
      handmade(({ metadata }) => {
        metadata["llama.rope.scaling.type"] = "linear";
        metadata["llama.rope.scaling.factor"] = float32(4);
      }),
    );
    const angles = ({ layers: [layer] }: typeof plain): number[] =>
      layer?.positions.kind === "rotary" ? [...layer.positions.rotary.frequencies] : [];
    expect(angles(plain)).toEqual([1, 0.01]);
    expect(angles(scaled)).toEqual([0.25, 0.0025]);
  });

  test.each(["rope.scaling.factor", "rope.scale_linear"])("%s alone is linear scaling", async (key) => {
    const model = await loadModel(
      handmade(({ metadata }) => {
        metadata[`llama.${key}`] = float32(4);
      }),
    );
    const [layer] = model.layers;
    expect(layer?.positions.kind === "rotary" && [...layer.positions.rotary.frequencies]).toEqual([
      0.25, 0.0025,
    ]);
  });

  test("none, when only other architectures have them or no part has experts", async () => {
    const without = await loadModel(handmade(() => undefined));
    const { metadata, ...others } = await loadModel(
      handmade(({ metadata }) => {
        metadata["llama.vocab_size"] = uint32(3);
        metadata["llama.tensor_data_layout"] = "Meta AI original pth";
        metadata["llama.expert_used_count"] = uint32(2);
        metadata["llama.attention.value_scale"] = float32(0.5);
        metadata["llama.rope.scaling.type"] = "none";
        metadata["llama.rope.scaling.factor"] = float32(4);
        metadata["other.attention.scale"] = float32(0.5);
      }),
    );
    expect({ ...others, metadata: without.metadata }).toEqual(without);
    expect(metadata).toHaveProperty(["llama.expert_used_count"], 2);
  });

  test("GELU has two forms", async () => {
    const bytes = randomModel({ architecture: "falcon", layers: 1 });
    const [formula, table] = [await loadModel(bytes), await loadModel(bytes, { gelu: "table" })];
    expect(formula.layers[0]!.feedForward.activation(0.3)).not.toBe(
      table.layers[0]!.feedForward.activation(0.3),
    );
  });
});

test("another form of GELU is refused, before anything is read", async () => {
  await expect(loadModel("nowhere.gguf", { gelu: "tabel" as "table" })).rejects.toMatchObject({
    code: "config",
    message: "loadModel: gelu must be one of formula, table, not tabel.",
    details: { option: "gelu", value: "tabel" },
  });
});

test("a file that is cut short is refused wherever it ends, and nothing hangs", async () => {
  const bytes = await readFile(tinyModels.sink.url);
  for (const share of [0, 0.0001, 0.001, 0.01, 0.1, 0.5, 0.999]) {
    await expect(loadModel(bytes.subarray(0, Math.floor(share * bytes.length)))).rejects.toMatchObject({
      code: "config",
      details: { option: "model" },
    });
  }
});
