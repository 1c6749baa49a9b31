import { KVPolicyError } from "@kvpolicy/core";

import {
  architectures,
  GELU_FORMS,
  readLayer,
  readNormalisation,
  readPositions,
  readShape,
  type GeluForm,
} from "./architectures.js";
import type { GgufSource } from "./byte-source.js";
import { openGguf } from "./gguf-file.js";
import type { Layer, ReferenceModel } from "./model.js";
import { damagedModel, ModelSettings, unsupportedModel } from "./model-settings.js";
import { ModelTensors } from "./model-tensors.js";

/** Options of {@link loadModel}. */
export interface LoadModelOptions {
  /**
   * How GELU is computed in architectures that use it: by its `formula`, or as llama.cpp does on a CPU, through a `table` that
   * rounds to F16 both ways. Defaults to `formula`.
   */
  readonly gelu?: GeluForm | undefined;
}

/**
 * Reads a model from a GGUF file: F32, F16, BF16, Q8_0, Q4_0 or Q4_1 weights, all of them widened to F32 in memory (four
 * bytes a parameter). Architectures: `llama`, `gptneox`, `falcon`, `mpt`, and `mimo2` without experts, which carries sink logits.
 *
 * @throws {KVPolicyError} `config` when the file cannot be read, is truncated or damaged, or a tensor or setting is missing or
 * wrong, or an option is none that is known; `unsupported` for another architecture or tensor type, and for any part of a model or
 * setting that would be left out.
 */
export async function loadModel(
  source: GgufSource,
  { gelu: geluForm = "formula" }: LoadModelOptions = {},
): Promise<ReferenceModel> {
  checkGelu(geluForm);
  const file = await openGguf(source);
  try {
    const settings = new ModelSettings(file.metadata);
    const architecture = architectures.get(settings.architecture);
    if (!architecture) {
      throw unsupportedModel(
        `architecture ${settings.architecture}`,
        `only ${[...architectures.keys()].join(", ")} can be computed`,
      );
    }
    const contextLength = settings.count("context_length");
    const slidingWindow = architecture.reads.has("windows")
      ? settings.count("attention.sliding_window")
      : undefined;
    refuseOthers(settings);
    const tensors = new ModelTensors(file);
    const width = settings.count("embedding_length");
    const vocabularySize = tensors.rows("token_embd.weight");
    if (vocabularySize === 0)
      throw damagedModel("it has no token embeddings", { tensor: "token_embd.weight" });
    const embeddings = await tensors.take("token_embd.weight", [width, vocabularySize]);
    const shape = readShape(settings, width);
    const layerCount = settings.count("block_count");
    tensors.check("blk.0.attn_output.weight", [shape.heads * shape.headSize, width]);
    const positionsOf = await readPositions(architecture, settings, tensors, shape, layerCount);
    const context = { architecture, settings, tensors, width, shape, geluForm, positionsOf };
    const layers: Layer[] = [];
    for (let index = 0; index < layerCount; index += 1) layers.push(await readLayer(context, index));
    const outputNormalisation = await readNormalisation(context, "output_norm");
    const output = tensors.has("output.weight")
      ? await tensors.takeLinear("output", width, vocabularySize)
      : { weights: embeddings, biases: undefined, inputs: width, outputs: vocabularySize };
    tensors.refuseUnread(settings.architecture);
    settings.refuseUnread(HARMLESS);
    return {
      architecture: settings.architecture,
      metadata: file.metadata,
      vocabularySize,
      contextLength,
      slidingWindow,
      shape,
      embeddings,
      width,
      layers,
      outputNormalisation,
      output,
    };
  } finally {
    await file.close();
  }
}

function checkGelu(form: GeluForm): void {
  if (GELU_FORMS.includes(form)) return;
  throw new KVPolicyError({
    code: "config",
    message: `loadModel: gelu must be one of ${GELU_FORMS.join(", ")}, not ${form}.`,
    details: { option: "gelu", value: form },
  });
}

/** Settings that nobody reads above, and that change no prediction whatever they are. */
const HARMLESS: ReadonlySet<string> = new Set([
  // Of the file, or told by the shapes of its tensors.
  "vocab_size",
  "tensor_data_layout",
  // Of experts, and there are none.
  "expert_used_count",
  "expert_feed_forward_length",
  // Of YaRN, which is refused, and of how the model was trained.
  "rope.scaling.original_context_length",
  "rope.scaling.finetuned",
  // What llama.cpp reads in some architectures, this one not among them.
  "attention.clamp_kqv",
  "attention.layer_norm_epsilon",
  "attention.layer_norm_rms_epsilon",
  "attention.max_alibi_bias",
  "attention.sliding_window",
  "attention.value_scale",
  "use_parallel_residual",
]);

/** Settings that are computed here with one value only. */
const ONLY: readonly (readonly [key: string, value: unknown])[] = [
  ["attention.causal", true],
  ["rope.scaling.attn_factor", 1],
  ["expert_count", 0],
  ["nextn_predict_layers", 0],
];

/** Refuses a file that would be computed otherwise than it says. */
function refuseOthers(settings: ModelSettings): void {
  for (const [key, only] of ONLY) {
    const value = settings.value(key);
    if (value === undefined || value === only) continue;
    throw unsupportedModel(
      key,
      `it is ${JSON.stringify(value)}, and only ${JSON.stringify(only)} is computed here`,
    );
  }
}
