import { checkCount, KVPolicyError } from "@kvpolicy/core";

import { TENSOR_ENCODINGS, type TensorType } from "./encode-tensor.js";
import type { GgufValue } from "./gguf-values.js";
import type { GgufTensor } from "./gguf-writer.js";
import { smallestVocabulary, TOKENIZER_KINDS, type TokenizerKind } from "./vocabulary.js";

/** The architectures that `randomModel` makes, by their names in GGUF. */
export type Architecture = "llama" | "gptneox" | "falcon" | "mpt" | "mimo2";

/** What `randomModel` makes. Only the architecture has no default. */
export interface RandomModelOptions {
  /** How the model computes. */
  readonly architecture: Architecture;
  /**
   * Name of the architecture in the file, for one of llama.cpp's others that reads the same settings and, after `changeTensors`, the same
   * tensors. Defaults to `architecture`. Nothing is checked.
   */
  readonly architectureName?: string | undefined;
  /** Seed of all weights: a whole number of at most 32 bits. Defaults to 0. */
  readonly seed?: number | undefined;
  /** Number of layers. Defaults to 2, the fewest that `mimo2` may have. */
  readonly layers?: number | undefined;
  /** Query heads of a layer. Defaults to 4. The embedding has `heads × headSize` dimensions. */
  readonly heads?: number | undefined;
  /** Heads of keys and values, which divide the query heads. Defaults to `heads`, for `falcon` to 1. */
  readonly keyValueHeads?: number | undefined;
  /** Dimensions of a head; even where it is rotated. Defaults to 16. */
  readonly headSize?: number | undefined;
  /** Dimensions of a head that are rotated, an even number; fewer than `headSize`, its default, only with `gptneox`. Not for `mpt`. */
  readonly rotated?: number | undefined;
  /** Hidden dimensions of the feed-forward network. Defaults to twice the embedding's. */
  readonly feedForward?: number | undefined;
  /** Number of tokens. Defaults to 300; 260 are enough for every tokenizer. */
  readonly vocabularySize?: number | undefined;
  /** Whether the output matrix is the embedding: for `llama`, `falcon` and `mpt`. Defaults to true for `mpt`, else false. */
  readonly tiedOutput?: boolean | undefined;
  /** Whether attention and feed-forward network read the same input: `gptneox` chooses. Defaults to true there. */
  readonly parallelResidual?: boolean | undefined;
  /** Whether attention has a norm of its own (Falcon-40B): for `falcon`. Defaults to false. */
  readonly secondNorm?: boolean | undefined;
  /** Whether there are biases that the architecture may lack: of q, k and v for `llama`, all for `mpt`. Defaults to false. */
  readonly biases?: boolean | undefined;
  /** Base of the rotary frequencies. Defaults to 10,000. Not for `mpt`. */
  readonly ropeBase?: number | undefined;
  /** Divisors of the rotary frequencies (the tensor `rope_freqs` of Llama 3.1), `headSize / 2` of them: for `llama`. */
  readonly ropeFactors?: readonly number[] | undefined;
  /** Tokens that the model says it was trained on. Defaults to 8192. */
  readonly contextLength?: number | undefined;
  /** Sink logit of every head (0 is softmax-off-by-one), or random ones with deviation `scoreSpread`: for `mimo2`. Defaults to none. */
  readonly attentionSinks?: number | "random" | undefined;
  /** Standard deviation of attention scores, after the division by √headSize and before any ALiBi. Defaults to 2.5. */
  readonly scoreSpread?: number | undefined;
  /** How matrices are stored. Defaults to `F32`. Norms, biases, sinks and factors are always `F32`. */
  readonly tensorType?: TensorType | undefined;
  /** Kind of vocabulary. Defaults to `sentence-piece`. */
  readonly tokenizer?: TokenizerKind | undefined;
  /** Whether the vocabulary has a beginning-of-sequence token, which is put in front of a text. Defaults to true. */
  readonly bos?: boolean | undefined;
  /** Metadata beside what the model has, or in its place, by key of the file. Nothing is checked. */
  readonly metadata?: Readonly<Record<string, GgufValue>> | undefined;
  /** Answers the tensors to be written from those that the model has. Nothing is checked. */
  readonly changeTensors?: ((tensors: readonly GgufTensor[]) => readonly GgufTensor[]) | undefined;
}

/** What an architecture is, as llama.cpp builds it (src/models). */
interface Traits {
  /** LayerNorm, or RMSNorm. */
  readonly norm: "layer" | "root-mean-square";
  /** Whether one matrix holds the rows of q, k and v, in this order. */
  readonly fusedAttention: boolean;
  /** Whether the feed-forward network is SwiGLU, with a gate matrix, instead of GELU. */
  readonly gated: boolean;
  /** Whether the feed-forward network has a norm of its own. */
  readonly feedForwardNorm: boolean;
  /** Whether norms have biases. */
  readonly normBiases: boolean | "optional";
  /** Whether q, k and v have biases. */
  readonly attentionBiases: boolean | "optional";
  /** Whether the other matrices of a layer have biases. */
  readonly matrixBiases: boolean | "optional";
}

const LLAMA: Traits = {
  norm: "root-mean-square",
  fusedAttention: false,
  gated: true,
  feedForwardNorm: true,
  normBiases: false,
  attentionBiases: "optional",
  matrixBiases: false,
};
const GPT_NEOX: Traits = {
  norm: "layer",
  fusedAttention: true,
  gated: false,
  feedForwardNorm: true,
  normBiases: true,
  attentionBiases: true,
  matrixBiases: true,
};

const ARCHITECTURES: Readonly<Record<Architecture, Traits>> = {
  llama: LLAMA,
  gptneox: GPT_NEOX,
  falcon: { ...GPT_NEOX, feedForwardNorm: false, attentionBiases: false, matrixBiases: false },
  mpt: { ...GPT_NEOX, normBiases: "optional", attentionBiases: "optional", matrixBiases: "optional" },
  mimo2: { ...LLAMA, attentionBiases: false },
};

/** Options that not every architecture has. */
const OPTION_OWNERS = {
  rotated: ["llama", "gptneox", "falcon", "mimo2"],
  tiedOutput: ["llama", "falcon", "mpt"],
  parallelResidual: ["gptneox"],
  secondNorm: ["falcon"],
  biases: ["llama", "gptneox", "mpt"],
  ropeBase: ["llama", "gptneox", "falcon", "mimo2"],
  ropeFactors: ["llama"],
  attentionSinks: ["mimo2"],
} as const satisfies Partial<Record<keyof RandomModelOptions, readonly Architecture[]>>;

type Decided<Options> = { readonly [Option in keyof Options]-?: Exclude<Options[Option], undefined> };

/** A model whose every choice is made and fits its architecture. */
export interface ModelPlan
  extends
    Decided<
      Omit<RandomModelOptions, "biases" | "ropeFactors" | "attentionSinks" | "metadata" | "changeTensors">
    >,
    Pick<Traits, "norm" | "fusedAttention" | "gated" | "feedForwardNorm"> {
  /** Dimensions of the embedding. */
  readonly embedding: number;
  /** Divisors of the rotary frequencies, if there are any. */
  readonly ropeFactors: readonly number[] | undefined;
  /** Sink logits, if there are any. */
  readonly attentionSinks: number | "random" | undefined;
  /** Whether norms have biases. */
  readonly normBiases: boolean;
  /** Whether q, k and v have biases. */
  readonly attentionBiases: boolean;
  /** Whether the other matrices of a layer have biases. */
  readonly matrixBiases: boolean;
}

/**
 * Makes every choice that the options leave open.
 *
 * @throws {KVPolicyError} `config` naming the option, when it is none that is known, the architecture does not have it, or sizes do
 * not fit together.
 */
export function planModel(options: RandomModelOptions): ModelPlan {
  const { architecture, tensorType = "F32", tokenizer = "sentence-piece", bos = true } = options;
  checkName("architecture", architecture, Object.keys(ARCHITECTURES));
  checkName("tensorType", tensorType, Object.keys(TENSOR_ENCODINGS));
  checkName("tokenizer", tokenizer, TOKENIZER_KINDS);
  checkOwners(options);
  const traits = ARCHITECTURES[architecture];
  const hasBiases = (trait: boolean | "optional"): boolean =>
    trait === "optional" ? (options.biases ?? false) : trait;

  const count = (option: CountOption, fallback: number, minimum = 1): number =>
    checkCount(OWNER, option, options[option] ?? fallback, minimum);
  const heads = count("heads", 4);
  const headSize = count("headSize", 16);
  const embedding = heads * headSize;
  const plan: ModelPlan = {
    architecture,
    architectureName: options.architectureName ?? architecture,
    ...traits,
    seed: count("seed", 0, 0),
    layers: count("layers", 2, architecture === "mimo2" ? 2 : 1),
    heads,
    keyValueHeads: count("keyValueHeads", architecture === "falcon" ? 1 : heads),
    headSize,
    embedding,
    rotated: count("rotated", headSize),
    feedForward: count("feedForward", 2 * embedding),
    vocabularySize: count("vocabularySize", 300, smallestVocabulary(tokenizer, bos)),
    contextLength: count("contextLength", 8192),
    normBiases: hasBiases(traits.normBiases),
    attentionBiases: hasBiases(traits.attentionBiases),
    matrixBiases: hasBiases(traits.matrixBiases),
    tiedOutput: options.tiedOutput ?? architecture === "mpt",
    parallelResidual: options.parallelResidual ?? true,
    secondNorm: options.secondNorm ?? false,
    ropeBase: options.ropeBase ?? 10_000,
    ropeFactors: options.ropeFactors,
    attentionSinks: options.attentionSinks,
    scoreSpread: options.scoreSpread ?? 2.5,
    tensorType,
    tokenizer,
    bos,
  };
  checkFit(plan);
  return plan;
}

const OWNER = "randomModel";

type CountOption =
  | "seed"
  | "layers"
  | "heads"
  | "keyValueHeads"
  | "headSize"
  | "rotated"
  | "feedForward"
  | "vocabularySize"
  | "contextLength";

function checkName(option: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  throw refuse(option, name, `${option} must be one of ${known.join(", ")}, not ${name}`);
}

function checkOwners(options: RandomModelOptions): void {
  const { architecture } = options;
  for (const [option, owners] of Object.entries(OPTION_OWNERS)) {
    const value = options[option as keyof typeof OPTION_OWNERS];
    // `false` asks for what the architecture is without the option.
    if (value === undefined || value === false) continue;
    if (!(owners as readonly Architecture[]).includes(architecture)) {
      throw refuse(option, value, `${architecture} has no ${option}`);
    }
  }
  if (architecture === "gptneox" && options.biases === false) {
    throw refuse("biases", false, "gptneox cannot be without biases");
  }
}

function checkFit(plan: ModelPlan): void {
  const { architecture, heads, keyValueHeads, headSize, rotated, tensorType } = plan;
  if (plan.seed >= 2 ** 32) throw refuse("seed", plan.seed, "the seed does not fit 32 bits");
  if (heads % keyValueHeads !== 0) {
    throw refuse("keyValueHeads", keyValueHeads, `${keyValueHeads} does not divide ${heads} query heads`);
  }
  if (architecture !== "mpt") {
    if (headSize % 2 !== 0) throw refuse("headSize", headSize, `a rotated head of ${headSize} is odd`);
    const fits = architecture === "gptneox" ? rotated % 2 === 0 && rotated <= headSize : rotated === headSize;
    if (!fits) {
      throw refuse("rotated", rotated, `${architecture} cannot rotate ${rotated} of ${headSize} dimensions`);
    }
  }
  if (!isPositive(plan.ropeBase)) {
    throw refuse(
      "ropeBase",
      plan.ropeBase,
      `the base of the frequencies must be positive, not ${plan.ropeBase}`,
    );
  }
  if (!(Number.isFinite(plan.scoreSpread) && plan.scoreSpread >= 0)) {
    throw refuse("scoreSpread", plan.scoreSpread, `a spread of ${plan.scoreSpread} is no standard deviation`);
  }
  if (plan.ropeFactors !== undefined) {
    if (plan.ropeFactors.length !== rotated / 2) {
      throw refuse(
        "ropeFactors",
        plan.ropeFactors,
        `${rotated / 2} factors are needed, one for each frequency`,
      );
    }
    if (!plan.ropeFactors.every(isPositive)) {
      throw refuse("ropeFactors", plan.ropeFactors, "every factor must be a positive number");
    }
  }
  if (typeof plan.attentionSinks === "number" && !Number.isFinite(plan.attentionSinks)) {
    throw refuse("attentionSinks", plan.attentionSinks, "a sink logit must be finite");
  }
  const { blockLength } = TENSOR_ENCODINGS[tensorType];
  for (const inputs of [plan.embedding, plan.feedForward]) {
    if (inputs % blockLength !== 0) {
      throw refuse(
        "tensorType",
        tensorType,
        `${tensorType} stores ${blockLength} values together, and a matrix has ${inputs} inputs`,
      );
    }
  }
}

function isPositive(value: number): boolean {
  return Number.isFinite(value) && value > 0;
}

function refuse(option: string, value: unknown, problem: string): KVPolicyError {
  return new KVPolicyError({
    code: "config",
    message: `${OWNER}: ${problem}.`,
    details: { option, value },
  });
}
