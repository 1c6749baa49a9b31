import { KVPolicyError } from "@kvpolicy/core";
import { readGgufFileInfo, type GgufMetadata, type LlamaModel } from "node-llama-cpp";

import { ALIBI } from "./architectures.js";
import { CACHE_TYPES, type CacheType } from "../cache-types.js";
import { readHeadSizes } from "../context-memory.js";
import { checkModelFile } from "../model-file.js";
import { readModelFacts, type ModelFacts } from "./model-facts.js";
import { movesKeysOnCpu, openBackend, packsAcrossHeads, refuse } from "../open-backend.js";
import { refuseDisposed } from "../refuse-disposed.js";
import { findObstacle, NO_CACHE, showMetadata, type Obstacle, type Remedy } from "./reindex-rules.js";
import type { ShiftSelfTest } from "./shift-self-test.js";
import { failedSelfTest, recallSelfTest } from "./tested-models.js";

/** Options of {@link inspectModel}: what the answer depends on beside the model. */
export interface InspectModelOptions {
  /** Type of the cached keys, as in `openStream`. Defaults to `F16`. */
  readonly keyType?: CacheType | undefined;
  /** Flash attention, as in `openStream`. Defaults to false. */
  readonly flashAttention?: boolean | undefined;
  /** Most cells in use, as in `openStream`. Defaults to the trained length. */
  readonly budget?: number | undefined;
  /** Whether keys lie in the machine's memory rather than a GPU's. Defaults to what a loaded model does, and to true for a file. */
  readonly onCpu?: boolean | undefined;
}

/**
 * How faithfully llama.cpp does with this model what a policy says. `exact`: moving keys changes nothing but last bits. `chunked`: keys
 * are rounded at every move, so that cells should leave in chunks. `unsupported`: it would corrupt the cache or end the process.
 */
export type Fidelity = "exact" | "chunked" | "unsupported";

/** The answer for one kind of policy. */
export interface PolicyVerdict {
  /** How faithfully. */
  readonly fidelity: Fidelity;
  /** Why, in words. */
  readonly reason: string;
  /** The keys and values of the metadata that say so. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** What else could be done. */
  readonly remedy?: Remedy | undefined;
}

/** What {@link inspectModel} answers: plain data. */
export interface ModelInspection {
  /** What the metadata say of the model. */
  readonly facts: ModelFacts;
  /** Type of the cached keys that was asked about. */
  readonly keyType: CacheType;
  /** Whether flash attention was asked about. */
  readonly flashAttention: boolean;
  /** Policies whose survivors keep their keys and values: window, sink-window and most others. */
  readonly reuse: PolicyVerdict;
  /** Policies whose survivors are computed again. */
  readonly recompute: PolicyVerdict;
  /** Policies that evict nothing. */
  readonly dense: PolicyVerdict;
  /** What the self-test measured; null for a file, for keys that it cannot judge and where the metadata refuse. */
  readonly selfTest: ShiftSelfTest | null;
}

/** Cells of the context in which a loaded model is tried. */
const TRIAL_CELLS = 256;

/**
 * Says before a stream is opened what llama.cpp can do with a model, and why not. For the path of a GGUF file only its metadata are read
 * and nothing native is loaded; a loaded model is tried as well where its metadata let it through, in a small context of its own.
 *
 * @example
 * ```ts
 * const { reuse } = await inspectModel("model.gguf");
 * if (reuse.fidelity === "unsupported") console.log(reuse.reason, reuse.remedy?.text);
 * ```
 * @throws {KVPolicyError} `config` for options that cannot work and for a file that is missing, truncated or no GGUF; `disposed` when the
 * model was disposed; `backend-failed` when llama.cpp cannot create the context.
 */
export async function inspectModel(
  model: string | LlamaModel,
  { keyType = "F16", flashAttention = false, budget, onCpu }: InspectModelOptions = {},
): Promise<ModelInspection> {
  if (!CACHE_TYPES.includes(keyType)) {
    throw refuse("keyType", keyType, `keyType must be one of ${CACHE_TYPES.join(", ")}, not ${keyType}.`);
  }
  const isFile = typeof model === "string";
  const metadata = isFile ? await readMetadata(model) : readLoadedMetadata(model);
  const facts = {
    metadata,
    keyType,
    onCpu: onCpu ?? (isFile || movesKeysOnCpu(model)),
    cells: budget,
    isRecurrent: isFile ? undefined : model.fileInsights.isRecurrent || model.fileInsights.isHybrid,
  };
  const impossible = findImpossible(metadata, keyType);
  const obstacle = impossible ?? findObstacle(facts);
  const selfTest = isFile || obstacle !== undefined ? null : await tryModel(model, keyType, flashAttention);
  const failed =
    selfTest && !selfTest.passed
      ? { ...failedSelfTest(selfTest), metadata: showMetadata(metadata, []) }
      : undefined;
  return {
    facts: readModelFacts(metadata),
    keyType,
    flashAttention,
    reuse: judgeReuse(metadata, { keyType, flashAttention }, obstacle ?? failed),
    recompute: judgeRest(
      metadata,
      impossible ?? noCache(obstacle),
      "survivors are computed again: no key is moved",
    ),
    dense: judgeRest(metadata, impossible ?? noCache(obstacle), "nothing is evicted: no key is moved"),
    selfTest,
  };
}

async function readMetadata(path: string): Promise<GgufMetadata> {
  await checkModelFile(path);
  const { metadata } = await readGgufFileInfo(path, {
    readTensorInfo: false,
    sourceType: "filesystem",
    logWarnings: false,
  });
  const { general } = metadata as { readonly general?: { readonly architecture?: unknown } };
  if (typeof general?.architecture === "string") return metadata;
  throw new KVPolicyError({
    code: "config",
    message: "The model file names no architecture.",
    details: { option: "model", value: null },
  });
}

function readLoadedMetadata(model: LlamaModel): GgufMetadata {
  refuseDisposed(model);
  return model.fileInfo.metadata;
}

/** The self-test, in a context of its own. */
async function tryModel(
  model: LlamaModel,
  keyType: CacheType,
  flashAttention: boolean,
): Promise<ShiftSelfTest | null> {
  const known = recallSelfTest(model, keyType);
  if (known) return known;
  const backend = await openBackend(model, { capacity: TRIAL_CELLS, keyType, flashAttention });
  await backend.dispose();
  return (await recallSelfTest(model, keyType)) ?? null;
}

/** What no policy can do. */
function findImpossible(metadata: GgufMetadata, keyType: CacheType): Obstacle | undefined {
  const { key } = readHeadSizes(metadata);
  if (!packsAcrossHeads(keyType, key)) return undefined;
  return {
    rule: "blocks-across-heads",
    reason: `${keyType} packs 32 numbers in a block, and the heads of this model have ${String(key)}`,
    metadata: showMetadata(metadata, ["embedding_length", "attention.head_count", "attention.key_length"]),
    remedy: { text: "use F16 or F32 keys", keyType: "F16" },
  };
}

function noCache(obstacle: Obstacle | undefined): Obstacle | undefined {
  return obstacle?.rule === NO_CACHE ? obstacle : undefined;
}

function judgeReuse(
  metadata: GgufMetadata,
  { keyType, flashAttention }: { readonly keyType: CacheType; readonly flashAttention: boolean },
  obstacle: Obstacle | undefined,
): PolicyVerdict {
  if (obstacle) return refuseWith(obstacle);
  if (ALIBI.has(metadata.general.architecture)) {
    const reason = "its keys hold no position (ALiBi), and moving them changes a number beside them";
    return { fidelity: "exact", reason, metadata: showMetadata(metadata, ["attention.max_alibi_bias"]) };
  }
  const shown = showMetadata(metadata, ["rope.freq_base", "rope.dimension_count", "rope.scaling.type"]);
  if (keyType === "F32") {
    const rounding = flashAttention
      ? "; flash attention reads them rounded to F16, and leaves the cached ones as they are"
      : "";
    const reason = `F32 keys are rotated without a loss that shows, whatever the stride${rounding}`;
    return { fidelity: "exact", reason, metadata: shown };
  }
  return { fidelity: "chunked", reason: ROUNDED[keyType], metadata: shown };
}

/** Errors of a key that went through a window of 1,020 cells, by simulation and with one rotary base of 10,000 unless it says otherwise. */
const ROUNDED: Readonly<Record<Exclude<CacheType, "F32">, string>> = {
  F16:
    "F16 keys are rounded at every move: a key that travels a window of 1,020 cells ends 6.0 % off at stride 1, 0.24 % at stride 16 " +
    "(0.52 % with a rotary base of 500,000) and 0.08 % at stride 64; evict 16 cells or more at once, or use F32 keys",
  BF16: "BF16 keys are rounded at every move, to 8 bits of a number where F16 has 11; evict many cells at once, or use F16 or F32 keys",
  Q8_0:
    "Q8_0 keys are quantised anew at every move, sinks among them: a key that travels a window of 1,020 cells ends 17 % off at stride 1, " +
    "4.2 % at stride 16, 2.2 % at stride 64 and 1.3 % at stride 256; evict 64 cells or more at once, or use F16 or F32 keys",
  Q4_0:
    "Q4_0 keys are quantised anew at every move, sinks among them: a key that travels a window of 1,020 cells ends 70 % off at stride 16, " +
    "35 % at stride 64 and 22 % at stride 256, where quantising once costs 8.7 %; use F16 or F32 keys",
};

function judgeRest(metadata: GgufMetadata, obstacle: Obstacle | undefined, reason: string): PolicyVerdict {
  return obstacle
    ? refuseWith(obstacle)
    : { fidelity: "exact", reason, metadata: showMetadata(metadata, []) };
}

function refuseWith({ reason, metadata, remedy }: Obstacle): PolicyVerdict {
  return { fidelity: "unsupported", reason, metadata, ...(remedy && { remedy }) };
}
