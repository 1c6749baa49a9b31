import { gelu, geluOfTable, silu, type Activation } from "./activation.js";
import { alibiSlopes } from "./alibi.js";
import type { AttentionShape, FeedForward, Layer, PositionEncoding } from "./model.js";
import { damagedModel, unsupportedModel, type ModelSettings } from "./model-settings.js";
import { splitLinear, type ModelTensors } from "./model-tensors.js";
import type { Normalisation } from "./normalisation.js";
import { Rotary, type RotaryPairing } from "./rotary.js";

/**
 * Which form of GELU a model with one is computed with: the formula, or ggml's table of F16 numbers.
 *
 * @useDeclaredType
 */
export type GeluForm = (typeof GELU_FORMS)[number];

/** All of them. */
export const GELU_FORMS = ["formula", "table"] as const;

/** What differs between the architectures, each as llama.cpp computes it. */
export interface Architecture {
  /** See {@link Normalisation}. */
  readonly normalisation: Normalisation["kind"];
  /** How the tensors of queries, keys and values are stored: one matrix for each, or one above the other in a single one. */
  readonly projections: "separate" | "fused";
  /** How positions enter; `pairing` of a rotary embedding, or ALiBi. */
  readonly positions: RotaryPairing | "alibi";
  /** Gated SiLU, or GELU. */
  readonly feedForward: "gated-silu" | "gelu";
  /** See {@link Layer}. `shared`: parallel, and the feed-forward network reads what attention reads. */
  readonly residual: (settings: ModelSettings) => "sequential" | "parallel" | "shared";
  /** Settings and tensors that llama.cpp reads for this architecture and leaves alone in the others. */
  readonly reads: ReadonlySet<Extra>;
}

/**
 * What only some architectures have: biases of queries, keys and values; a limit for these (`attention.clamp_kqv`); a factor of
 * attention's output (`attention.value_scale`); layers with a sliding window, which must be longer than any cache here.
 */
type Extra = "projection biases" | "clamp" | "value scale" | "windows";

/** The architectures that can be computed, by GGUF's name. */
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  /** Llama 1 to 3, Mistral, SmolLM, TinyLlama … */
  llama: {
    normalisation: "root-mean-square",
    projections: "separate",
    positions: "interleaved",
    feedForward: "gated-silu",
    residual: () => "sequential",
    reads: new Set(["projection biases"]),
  },
  /** GPT-NeoX and Pythia: a part of each head is rotated. */
  gptneox: {
    normalisation: "layer",
    projections: "fused",
    positions: "halves",
    feedForward: "gelu",
    residual: (settings) => (settings.flag("use_parallel_residual") ? "parallel" : "sequential"),
    reads: new Set(["projection biases"]),
  },
  /** Falcon: all query heads share few keys and values. */
  falcon: {
    normalisation: "layer",
    projections: "fused",
    positions: "halves",
    feedForward: "gelu",
    residual: () => "shared",
    reads: new Set([]),
  },
  /** MPT: no rotary embedding, ALiBi. */
  mpt: {
    normalisation: "layer",
    projections: "fused",
    positions: "alibi",
    feedForward: "gelu",
    residual: () => "sequential",
    reads: new Set(["projection biases", "clamp"]),
  },
  /** MiMo-V2, dense: what carries sink logits in llama.cpp. */
  mimo2: {
    normalisation: "root-mean-square",
    projections: "separate",
    positions: "halves",
    feedForward: "gated-silu",
    residual: () => "sequential",
    reads: new Set(["value scale", "windows"]),
  },
};

/** The same, to be asked with any word that a file holds. */
export const architectures: ReadonlyMap<string, Architecture> = new Map(Object.entries(ARCHITECTURES));

/** Everything that is the same in all layers of one model. */
export interface LayerContext {
  /** The row of {@link architectures}. */
  readonly architecture: Architecture;
  /** Of the file. */
  readonly settings: ModelSettings;
  /** Of the file. */
  readonly tensors: ModelTensors;
  /** Numbers in the residual stream. */
  readonly width: number;
  /** Sizes of attention. */
  readonly shape: AttentionShape;
  /** Form of GELU. */
  readonly geluForm: GeluForm;
  /** How positions enter layer `index`. */
  readonly positionsOf: (index: number) => PositionEncoding;
}

/** Reads the sizes of attention. */
export function readShape(settings: ModelSettings, width: number): AttentionShape {
  const heads = settings.count("attention.head_count");
  const keyValueHeads = settings.count("attention.head_count_kv", heads);
  const headSize = settings.count("attention.key_length", width / heads);
  if (heads % keyValueHeads !== 0) {
    throw damagedModel(`its ${heads} heads cannot share ${keyValueHeads} keys and values evenly`, {
      heads,
      keyValueHeads,
    });
  }
  if (settings.number("attention.value_length", headSize) !== headSize) {
    throw unsupportedModel("attention.value_length", "values of another size than keys");
  }
  return { heads, keyValueHeads, headSize };
}

/** Reads how positions enter each layer. */
export async function readPositions(
  { positions, reads }: Architecture,
  settings: ModelSettings,
  tensors: ModelTensors,
  { heads, headSize }: AttentionShape,
  layers: number,
): Promise<(index: number) => PositionEncoding> {
  if (positions === "alibi") {
    const slopes = alibiSlopes(heads, settings.number("attention.max_alibi_bias", 0));
    return () => ({ kind: "alibi", slopes });
  }
  const dimensions = settings.count("rope.dimension_count", headSize);
  if (dimensions > headSize || dimensions % 2 !== 0) {
    throw damagedModel(`${dimensions} dimensions cannot be rotated in heads of ${headSize}`, {
      dimensions,
      headSize,
    });
  }
  const scale = readPositionScale(settings);
  const factors = await tensors.takeOptional("rope_freqs.weight", [dimensions / 2]);
  const rotaryOf = (base: number, ownScale: number): PositionEncoding => ({
    kind: "rotary",
    rotary: new Rotary({ pairing: positions, dimensions, base, scale: ownScale, factors }),
  });
  const everywhere = rotaryOf(settings.number("rope.freq_base", 10_000), scale);
  if (!reads.has("windows")) return () => everywhere;
  // Layers with a window have a base of their own, 10,000 unless the file names it, and no scale, as in llama.cpp.
  const windowed = rotaryOf(settings.number("rope.freq_base_swa", 10_000), 1);
  const isWindowed = settings.flags("attention.sliding_window_pattern", layers);
  return (index) => (isWindowed[index] ? windowed : everywhere);
}

/** Linear scaling of positions; other kinds change keys in ways that depend on the position. */
function readPositionScale(settings: ModelSettings): number {
  // As in llama.cpp: linear unless the file says otherwise, an older key for the factor, and 0 for none.
  const kind = settings.optionalText("rope.scaling.type") ?? "linear";
  const factor = settings.number("rope.scaling.factor", settings.number("rope.scale_linear", 0));
  if (kind === "none") return 1;
  if (kind === "linear") return factor === 0 ? 1 : 1 / factor;
  throw unsupportedModel("rope.scaling.type", `scaling of the kind ${kind}`);
}

/** Reads layer `index`. */
export async function readLayer(context: LayerContext, index: number): Promise<Layer> {
  const { architecture, settings, tensors, width, shape } = context;
  const prefix = `blk.${index}`;
  const residual = architecture.residual(settings);
  const normalisation = await readNormalisation(context, `${prefix}.attn_norm`);
  // Falcon 40B: attention has a normalisation of its own, and the feed-forward network alone reads the first.
  const ownNormalisation =
    residual === "shared" && tensors.has(`${prefix}.attn_norm_2.weight`)
      ? await readNormalisation(context, `${prefix}.attn_norm_2`)
      : normalisation;
  const { query, key, value } = await readProjections(context, prefix);
  // As in llama.cpp, 0 is none.
  const clamp = architecture.reads.has("clamp") ? settings.number("attention.clamp_kqv", 0) : 0;
  const valueScale = architecture.reads.has("value scale") ? settings.number("attention.value_scale", 0) : 0;
  return {
    attentionNormalisation: ownNormalisation,
    query,
    key,
    value,
    clamp: clamp > 0 ? clamp : undefined,
    positions: context.positionsOf(index),
    scoreScale: 1 / Math.sqrt(shape.headSize),
    sinkLogits: await tensors.takeOptional(`${prefix}.attn_sinks.weight`, [shape.heads]),
    attentionOutput: await tensors.takeLinear(`${prefix}.attn_output`, shape.heads * shape.headSize, width),
    attentionOutputScale: valueScale === 0 ? 1 : valueScale,
    residual: residual === "shared" ? "parallel" : residual,
    feedForwardNormalisation:
      residual === "shared" ? normalisation : await readNormalisation(context, `${prefix}.ffn_norm`),
    feedForward: await readFeedForward(context, prefix),
  };
}

/** Reads a normalisation: its weights, and the biases of a layer normalisation if there are any. */
export async function readNormalisation(
  { architecture, settings, tensors, width }: Omit<LayerContext, "positionsOf" | "shape" | "geluForm">,
  name: string,
): Promise<Normalisation> {
  const kind = architecture.normalisation;
  return {
    kind,
    epsilon: settings.number(`attention.layer_norm${kind === "layer" ? "" : "_rms"}_epsilon`),
    weights: await tensors.take(`${name}.weight`, [width]),
    biases: await tensors.takeOptional(`${name}.bias`, [width]),
  };
}

async function readProjections(
  { architecture, tensors, width, shape }: LayerContext,
  prefix: string,
): Promise<Pick<Layer, "query" | "key" | "value">> {
  const queries = shape.heads * shape.headSize;
  const keys = shape.keyValueHeads * shape.headSize;
  const hasBiases = architecture.reads.has("projection biases");
  if (architecture.projections === "separate") {
    return {
      query: await tensors.takeLinear(`${prefix}.attn_q`, width, queries, hasBiases),
      key: await tensors.takeLinear(`${prefix}.attn_k`, width, keys, hasBiases),
      value: await tensors.takeLinear(`${prefix}.attn_v`, width, keys, hasBiases),
    };
  }
  const fused = await tensors.takeLinear(`${prefix}.attn_qkv`, width, queries + 2 * keys, hasBiases);
  const [query, key, value] = splitLinear(fused, queries, keys, keys) as [
    Layer["query"],
    Layer["key"],
    Layer["value"],
  ];
  return { query, key, value };
}

async function readFeedForward(
  { architecture, settings, tensors, width, geluForm }: LayerContext,
  prefix: string,
): Promise<FeedForward> {
  const middle = settings.count("feed_forward_length");
  const isGated = architecture.feedForward === "gated-silu";
  const geluActivation: Activation = geluForm === "table" ? geluOfTable : gelu;
  return {
    up: await tensors.takeLinear(`${prefix}.ffn_up`, width, middle),
    gate: isGated ? await tensors.takeLinear(`${prefix}.ffn_gate`, width, middle) : undefined,
    activation: isGated ? silu : geluActivation,
    down: await tensors.takeLinear(`${prefix}.ffn_down`, middle, width),
  };
}
