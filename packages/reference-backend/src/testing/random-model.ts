import type { TensorType } from "./encode-tensor.js";
import { booleanArray, float32, type GgufValue, uint32 } from "./gguf-values.js";
import { type GgufTensor, writeGguf } from "./gguf-writer.js";
import { type ModelPlan, planModel, type RandomModelOptions } from "./model-plan.js";
import { type Distribution, randomNumbers } from "./random-numbers.js";
import { vocabularyMetadata } from "./vocabulary.js";

/** `general.file_type` of llama.cpp (`llama_ftype`). */
const FILE_TYPES: Readonly<Record<TensorType, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q8_0: 7,
  BF16: 32,
};

const NORM_EPSILON = 1e-5;
/** The largest slope of ALiBi is 2^(−8 / heads); MPT's own value. */
const ALIBI_BIAS = 8;
/** Longer than any context that is used: mimo2 cannot be without a sliding window. */
const SLIDING_WINDOW = 2 ** 20;
/** Standard deviation of norm weights around one, and of biases around zero. */
const SMALL = 0.1;
/** Standard deviation of the logits over the vocabulary. */
const LOGIT_SPREAD = 2.5;

/**
 * A model with random weights as a GGUF file, which llama.cpp loads. The same options give the same bytes on every
 * machine, and a tensor depends on nothing but the seed, its name, its shape and its spread: two models that differ in
 * one option share the other weights.
 *
 * - Embeddings have unit variance, a matrix 1/inputs, so that activations keep their size.
 * - Queries and keys are larger, so that attention scores spread by `scoreSpread`: near-uniform attention would hide
 *   errors of position.
 * - Norm weights lie near one and biases near zero, and neither is exact, so that a forgotten one shows.
 * - Logits spread by about 2.5 over the vocabulary. Where the output is tied, the output norm does that, and its signs
 *   alternate, or else every token would predict itself.
 *
 * `mimo2` is a Llama whose heads may have sinks; its sliding window is longer than any context.
 *
 * @throws {KVPolicyError} `config` naming the option, when it is none that is known, the architecture does not have it, or sizes do
 * not fit together.
 */
export function randomModel(options: RandomModelOptions): Uint8Array {
  const plan = planModel(options);
  const { metadata, changeTensors } = options;
  const tensors = tensorsOf(plan);
  return writeGguf({
    metadata: { ...metadataOf(plan), ...metadata },
    tensors: changeTensors?.(tensors) ?? tensors,
  });
}

function metadataOf(plan: ModelPlan): Record<string, GgufValue> {
  const { architecture, architectureName, norm, rotated, ropeBase, feedForward, contextLength, layers } =
    plan;
  const normKey = norm === "layer" ? "layer_norm_epsilon" : "layer_norm_rms_epsilon";
  const settings: Record<string, GgufValue> = {
    vocab_size: uint32(plan.vocabularySize),
    context_length: uint32(contextLength),
    embedding_length: uint32(plan.embedding),
    block_count: uint32(layers),
    feed_forward_length: uint32(feedForward),
    "attention.head_count": uint32(plan.heads),
    "attention.head_count_kv": uint32(plan.keyValueHeads),
    [`attention.${normKey}`]: float32(NORM_EPSILON),
    ...(architecture === "mpt"
      ? { "attention.max_alibi_bias": float32(ALIBI_BIAS) }
      : { "rope.dimension_count": uint32(rotated), "rope.freq_base": float32(ropeBase) }),
    ...(architecture === "gptneox" && { use_parallel_residual: plan.parallelResidual }),
    ...(architecture === "mimo2" && {
      // llama.cpp reads this although no layer has experts.
      expert_feed_forward_length: uint32(feedForward),
      // node-llama-cpp takes a window of at least the context length for none.
      "attention.sliding_window": uint32(Math.max(SLIDING_WINDOW, contextLength)),
      // llama.cpp keeps two caches, and ends the process when one of them has no layer and is to be shifted.
      "attention.sliding_window_pattern": booleanArray(
        Array.from({ length: layers }, (_, layer) => layer % 2 === 0),
      ),
    }),
  };
  return {
    "general.architecture": architectureName,
    "general.name": `random ${architectureName}`,
    "general.file_type": uint32(FILE_TYPES[plan.tensorType]),
    ...Object.fromEntries(
      Object.entries(settings).map(([key, value]) => [`${architectureName}.${key}`, value]),
    ),
    ...vocabularyMetadata(plan),
  };
}

function tensorsOf(plan: ModelPlan): GgufTensor[] {
  const { embedding, vocabularySize, ropeFactors } = plan;
  const output = LOGIT_SPREAD / Math.sqrt(embedding);
  return [
    matrix(plan, "token_embd.weight", embedding, vocabularySize, { deviation: 1 }),
    ...Array.from({ length: plan.layers }, (_, layer) => layerTensors(plan, `blk.${layer}.`)).flat(),
    ...(plan.tiedOutput
      ? norm(plan, "output_norm", output).map(alternateSigns)
      : [
          ...norm(plan, "output_norm"),
          matrix(plan, "output.weight", embedding, vocabularySize, { deviation: output }),
        ]),
    ...(ropeFactors === undefined ? [] : [vector("rope_freqs.weight", Float32Array.from(ropeFactors))]),
  ];
}

function layerTensors(plan: ModelPlan, prefix: string): GgufTensor[] {
  const { embedding, feedForward } = plan;
  const layerNorm = (name: string): GgufTensor[] => norm(plan, prefix + name);
  const linear = (name: string, inputs: number, outputs: number): GgufTensor[] => [
    matrix(plan, `${prefix}${name}.weight`, inputs, outputs),
    ...(plan.matrixBiases ? [bias(plan, `${prefix}${name}.bias`, outputs)] : []),
  ];
  return [
    ...layerNorm("attn_norm"),
    ...(plan.secondNorm ? layerNorm("attn_norm_2") : []),
    ...attentionInputs(plan, prefix),
    ...linear("attn_output", embedding, embedding),
    ...sinks(plan, `${prefix}attn_sinks.weight`),
    ...(plan.feedForwardNorm ? layerNorm("ffn_norm") : []),
    ...(plan.gated ? linear("ffn_gate", embedding, feedForward) : []),
    ...linear("ffn_up", embedding, feedForward),
    ...linear("ffn_down", feedForward, embedding),
  ];
}

/** The matrices and biases of q, k and v, separate or with all rows in one. */
function attentionInputs(plan: ModelPlan, prefix: string): GgufTensor[] {
  const { embedding, headSize, keyValueHeads } = plan;
  const keyValues = keyValueHeads * headSize;
  // A score is a sum of headSize products over √headSize: it spreads as a query's dimension times a key's.
  const spread = Math.sqrt(plan.scoreSpread / embedding);
  const weights = [
    matrix(plan, `${prefix}attn_q.weight`, embedding, embedding, { deviation: spread }),
    matrix(plan, `${prefix}attn_k.weight`, embedding, keyValues, { deviation: spread }),
    matrix(plan, `${prefix}attn_v.weight`, embedding, keyValues),
  ];
  const biases = plan.attentionBiases
    ? [
        bias(plan, `${prefix}attn_q.bias`, embedding),
        bias(plan, `${prefix}attn_k.bias`, keyValues),
        bias(plan, `${prefix}attn_v.bias`, keyValues),
      ]
    : [];
  if (!plan.fusedAttention) return [...weights, ...biases];
  const rows = embedding + 2 * keyValues;
  return [
    {
      name: `${prefix}attn_qkv.weight`,
      shape: [embedding, rows],
      type: plan.tensorType,
      data: concatenate(weights),
    },
    ...(biases.length > 0 ? [vector(`${prefix}attn_qkv.bias`, concatenate(biases))] : []),
  ];
}

function sinks({ seed, heads, attentionSinks, scoreSpread }: ModelPlan, name: string): GgufTensor[] {
  if (attentionSinks === undefined) return [];
  const logits =
    attentionSinks === "random"
      ? randomNumbers(seed, name, heads, { deviation: scoreSpread })
      : new Float32Array(heads).fill(attentionSinks);
  return [vector(name, logits)];
}

function matrix(
  { seed, tensorType }: ModelPlan,
  name: string,
  inputs: number,
  outputs: number,
  distribution: Distribution = { deviation: 1 / Math.sqrt(inputs) },
): GgufTensor {
  const data = randomNumbers(seed, name, inputs * outputs, distribution);
  return { name, shape: [inputs, outputs], type: tensorType, data };
}

/** The weight of a norm around `scale`, and its bias where the model has one. */
function norm(plan: ModelPlan, name: string, scale = 1): GgufTensor[] {
  const { seed, embedding } = plan;
  const weight = randomNumbers(seed, `${name}.weight`, embedding, { mean: scale, deviation: SMALL * scale });
  return [
    vector(`${name}.weight`, weight),
    ...(plan.normBiases ? [bias(plan, `${name}.bias`, embedding, scale)] : []),
  ];
}

function bias({ seed }: ModelPlan, name: string, length: number, scale = 1): GgufTensor {
  return vector(name, randomNumbers(seed, name, length, { deviation: SMALL * scale }));
}

function vector(name: string, data: Float32Array): GgufTensor {
  return { name, shape: [data.length], type: "F32", data };
}

function alternateSigns(tensor: GgufTensor): GgufTensor {
  return { ...tensor, data: tensor.data.map((value, index) => (index % 2 === 0 ? value : -value)) };
}

function concatenate(tensors: readonly GgufTensor[]): Float32Array {
  const joined = new Float32Array(tensors.reduce((length, { data }) => length + data.length, 0));
  let at = 0;
  for (const { data } of tensors) {
    joined.set(data, at);
    at += data.length;
  }
  return joined;
}
