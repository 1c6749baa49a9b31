import {
  booleanArray,
  float32,
  int32Array,
  randomModel,
  randomNumbers,
  uint32,
  type GgufTensor,
  type GgufValue,
  type RandomModelOptions,
} from "@kvpolicy/reference-backend/testing";

import type { CacheType } from "../src/cache-types.js";

/** A kind of model that the gate knows, as a random one that llama.cpp loads. */
export interface ModelKind {
  /** What it is. */
  readonly name: string;
  /** How to make it. */
  readonly options: RandomModelOptions;
  /** Type of the cached keys. Defaults to F16. */
  readonly keyType?: CacheType;
  /** The rule that refuses it; none for a kind whose keys can be moved. */
  readonly rule?: string;
}

/** Kinds whose keys llama.cpp moves well. */
export const MOVABLE: readonly ModelKind[] = [
  { name: "llama", options: { architecture: "llama", layers: 3 } },
  { name: "llama, F32 keys", options: { architecture: "llama", layers: 3 }, keyType: "F32" },
  {
    name: "llama, Q8_0 keys of 64",
    options: { architecture: "llama", heads: 2, headSize: 64 },
    keyType: "Q8_0",
  },
  {
    name: "llama, Q4_0 keys of 64",
    options: { architecture: "llama", heads: 2, headSize: 64 },
    keyType: "Q4_0",
  },
  { name: "gptneox, partial rotary", options: { architecture: "gptneox", rotated: 8 } },
  { name: "falcon", options: { architecture: "falcon" } },
  { name: "mpt (ALiBi)", options: { architecture: "mpt" } },
  { name: "mpt (ALiBi), BF16 keys", options: { architecture: "mpt" }, keyType: "BF16" },
  {
    name: "llama with a sliding window that it ignores (Mistral 7B v0.1)",
    options: { architecture: "llama", layers: 3, metadata: { "llama.attention.sliding_window": uint32(8) } },
  },
  {
    name: "llama, linear scaling",
    options: {
      architecture: "llama",
      metadata: { "llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": float32(4) },
    },
  },
];

const window = (length: number): Record<string, GgufValue> => ({
  "mimo2.attention.sliding_window": uint32(length),
});

/** YaRN with a factor of 4 on a model of 256 positions. */
export const YARN: RandomModelOptions = {
  architecture: "llama",
  headSize: 64,
  heads: 2,
  layers: 3,
  contextLength: 1024,
  metadata: {
    "llama.rope.scaling.type": "yarn",
    "llama.rope.scaling.factor": float32(4),
    "llama.rope.scaling.original_context_length": uint32(256),
  },
};

/** Kinds whose keys llama.cpp would move wrongly without a word. */
export const SILENTLY_WRONG: readonly ModelKind[] = [
  {
    name: "smollm3 (layers without rotation)",
    rule: "layers-without-rotation",
    options: { architecture: "llama", architectureName: "smollm3", layers: 4 },
  },
  { name: "llama with YaRN of factor 4", rule: "scaled-rotation", options: YARN },
  {
    name: "llama with an attention factor (LongRoPE)",
    rule: "scaled-rotation",
    options: { architecture: "llama", metadata: { "llama.rope.scaling.attn_factor": float32(1.19) } },
  },
  {
    name: "maincoder (keys normalised after rotation)",
    rule: "normalised-after-rotation",
    options: { architecture: "llama", architectureName: "maincoder", changeTensors: withHeadNorms },
  },
  {
    name: "hunyuan-dense (keys normalised after rotation)",
    rule: "normalised-after-rotation",
    options: { architecture: "llama", architectureName: "hunyuan-dense", changeTensors: withHeadNorms },
  },
  { name: "gpt2 (learned positions)", rule: "learned-positions", options: learned("gpt2") },
  { name: "starcoder (learned positions)", rule: "learned-positions", options: learned("starcoder") },
  {
    name: "baichuan of 13B (ALiBi, rotated)",
    rule: "rotation-not-used",
    options: { architecture: "llama", architectureName: "baichuan", layers: 40, heads: 2, headSize: 8 },
  },
];

/** A fault that no rule knows, because only a tensor tells: a table of learned positions beside ALiBi. */
export const UNKNOWN_FAULT: ModelKind = {
  name: "mpt with learned positions beside ALiBi",
  options: {
    architecture: "mpt",
    contextLength: 256,
    changeTensors: (tensors) => [...tensors, tensor("position_embd.weight", [64, 256], 0, 1)],
  },
};

/** Kinds of which a part forgets by itself, or nothing. */
export const FORGETFUL: readonly ModelKind[] = [
  {
    name: "mimo2 (windows and full layers)",
    rule: "sliding-window",
    options: { architecture: "mimo2", layers: 4, metadata: window(24) },
  },
  { name: "gemma3 (windows and full layers)", rule: "sliding-window", options: gemma3() },
  { name: "mamba (recurrent)", rule: "recurrent", options: mamba() },
  { name: "lfm2 (recurrent in part)", rule: "recurrent", options: lfm2() },
];

/** Kinds whose keys cannot be moved without ending the process. */
export const CRASHING: readonly ModelKind[] = [
  {
    name: "qwen2vl (M-RoPE)",
    rule: "m-rope",
    options: {
      architecture: "llama",
      architectureName: "qwen2vl",
      biases: true,
      metadata: { "qwen2vl.rope.dimension_sections": int32Array([2, 3, 3, 0]) },
    },
  },
  {
    name: "mimo2 (windows in all layers)",
    rule: "one-kind-of-layers",
    options: {
      architecture: "mimo2",
      metadata: { "mimo2.attention.sliding_window_pattern": booleanArray([true, true]) },
    },
  },
  { name: "llama, BF16 keys", rule: "bf16-keys", options: { architecture: "llama" }, keyType: "BF16" },
  {
    name: "llama, Q8_0 keys of 32",
    rule: "quantised-keys",
    options: { architecture: "llama", headSize: 32 },
    keyType: "Q8_0",
  },
  {
    name: "gptneox, Q8_0 keys, partial rotary",
    rule: "quantised-keys",
    options: { architecture: "gptneox", heads: 2, headSize: 64, rotated: 16 },
    keyType: "Q8_0",
  },
];

/** Every kind. */
export const MODEL_KINDS: readonly ModelKind[] = [...MOVABLE, ...SILENTLY_WRONG, ...FORGETFUL, ...CRASHING];

/** The bytes of its GGUF file. */
export function makeModel({ options }: ModelKind): Uint8Array {
  return randomModel(options);
}

/** An F32 tensor with random numbers around a mean. */
function tensor(name: string, shape: readonly number[], mean = 0, deviation = 0.1): GgufTensor {
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  return { name, shape, type: "F32", data: randomNumbers(0, name, count, { mean, deviation }) };
}

/** Norms of queries and keys, of one head's size, in every layer. */
function withHeadNorms(tensors: readonly GgufTensor[], headSize = 16): readonly GgufTensor[] {
  return [...tensors, ...perLayer(tensors, (prefix) => headNorms(prefix, headSize))];
}

/** Weights that far from one change a key's direction, which is what a rotation cannot undo. */
function headNorms(prefix: string, headSize: number): GgufTensor[] {
  return ["attn_q_norm", "attn_k_norm"].map((name) => tensor(`${prefix}${name}.weight`, [headSize], 1, 0.5));
}

function perLayer(
  tensors: readonly GgufTensor[],
  make: (prefix: string) => readonly GgufTensor[],
): readonly GgufTensor[] {
  return tensors
    .filter(({ name }) => name.endsWith(".attn_norm.weight"))
    .flatMap(({ name }) => make(name.replace("attn_norm.weight", "")));
}

/** GPT-2's tensors are those of GPT-NeoX and a table of positions. */
function learned(architectureName: string): RandomModelOptions {
  return {
    architecture: "gptneox",
    architectureName,
    contextLength: 256,
    changeTensors: (tensors) => [...tensors, tensor("position_embd.weight", [64, 256], 0, 1)],
  };
}

/** Gemma 3 is a Llama with norms behind attention and feed-forward network, and of queries and keys. */
function gemma3(): RandomModelOptions {
  return {
    architecture: "llama",
    architectureName: "gemma3",
    layers: 6,
    metadata: {
      "gemma3.attention.sliding_window": uint32(24),
      "gemma3.attention.key_length": uint32(16),
      "gemma3.attention.value_length": uint32(16),
    },
    changeTensors: (tensors) => [
      ...withHeadNorms(tensors),
      ...perLayer(tensors, (prefix) =>
        ["post_attention_norm", "post_ffw_norm"].map((name) => tensor(`${prefix}${name}.weight`, [64], 1)),
      ),
    ],
  };
}

/** Mamba: state spaces instead of attention. */
function mamba(): RandomModelOptions {
  const [embedding, inner, state, rank, kernel] = [64, 128, 16, 4, 4];
  return {
    architecture: "llama",
    architectureName: "mamba",
    metadata: {
      "mamba.ssm.conv_kernel": uint32(kernel),
      "mamba.ssm.inner_size": uint32(inner),
      "mamba.ssm.state_size": uint32(state),
      "mamba.ssm.time_step_rank": uint32(rank),
    },
    changeTensors: (tensors) => [
      ...tensors.filter(({ name }) => !/\.(attn_[qkvo]|ffn_)/.test(name)),
      ...perLayer(tensors, (prefix) => [
        tensor(`${prefix}ssm_in.weight`, [embedding, 2 * inner]),
        tensor(`${prefix}ssm_conv1d.weight`, [kernel, inner], 0, 0.5),
        tensor(`${prefix}ssm_conv1d.bias`, [inner]),
        tensor(`${prefix}ssm_x.weight`, [inner, rank + 2 * state]),
        tensor(`${prefix}ssm_dt.weight`, [rank, inner]),
        tensor(`${prefix}ssm_dt.bias`, [inner]),
        // Below 0, or the state would grow without end.
        tensor(`${prefix}ssm_a`, [state, inner], -1),
        tensor(`${prefix}ssm_d`, [inner], 1),
        tensor(`${prefix}ssm_out.weight`, [inner, embedding]),
      ]),
    ],
  };
}

/** LFM2: a short convolution in the first layer, attention in the second. */
function lfm2(): RandomModelOptions {
  const [embedding, kernel] = [64, 3];
  return {
    architecture: "llama",
    architectureName: "lfm2",
    metadata: {
      "lfm2.shortconv.l_cache": uint32(kernel),
      "lfm2.attention.head_count_kv": int32Array([0, 4]),
    },
    changeTensors: (tensors) => [
      ...tensors
        .filter(({ name }) => !/^blk\.0\.attn_[qkvo]/.test(name) || name.endsWith("attn_norm.weight"))
        .map((one) => (one.name === "output_norm.weight" ? { ...one, name: "token_embd_norm.weight" } : one)),
      ...headNorms("blk.1.", 16),
      tensor("blk.0.shortconv.conv.weight", [kernel, embedding], 0, 0.5),
      tensor("blk.0.shortconv.in_proj.weight", [embedding, 3 * embedding]),
      tensor("blk.0.shortconv.out_proj.weight", [embedding, embedding]),
    ],
  };
}
