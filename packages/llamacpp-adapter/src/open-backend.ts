import {
  checkCount,
  KVPolicyError,
  type BackendCapabilities,
  type Capability,
  type KVCacheBackend,
} from "@kvpolicy/core";
import {
  InsufficientMemoryError,
  type LlamaContext,
  type LlamaContextOptions,
  type LlamaModel,
} from "node-llama-cpp";

import { bytesPerCell, installedBytes, readHeadSizes } from "./context-memory.js";
import { WITHOUT_CACHE } from "./gate/architectures.js";
import { LlamaBackend } from "./llama-backend.js";
import { NativeSequence } from "./native-sequence.js";
import { refuseDisposed } from "./refuse-disposed.js";
import { CACHE_TYPES, type CacheType } from "./cache-types.js";
import { checkReindex } from "./gate/reindex-gate.js";
import { NO_CACHE_REASON, readSlidingWindow } from "./gate/reindex-rules.js";
import type { LlamaSampling } from "./sampling.js";
import { judgeSelfTest, testOnce } from "./gate/tested-models.js";

/** How llama.cpp keeps and computes the cells. */
export interface ContextOptions {
  /** Type of the cached keys. Defaults to `F16`; `F32` for runs that follow the paper to the letter, because F16 rounds at every move. */
  readonly keyType?: CacheType | undefined;
  /** Type of the cached values. Defaults to `F16`. Quantised values need `flashAttention`. */
  readonly valueType?: CacheType | undefined;
  /** Flash attention, fixed for the life of the stream. Defaults to false. With F32 keys it rounds them to F16 at each decode. */
  readonly flashAttention?: boolean | undefined;
  /**
   * Threads. Defaults to one a core, at most node-llama-cpp's `maxThreads`. Its own default is at least 4: on a machine with
   * fewer cores they wait for each other.
   */
  readonly threads?: number | undefined;
  /**
   * Most tokens that one decode of the engine takes; longer blocks are split. Defaults to the cells rounded up to a multiple of
   * 256, as llama.cpp allocates them, at most 512.
   */
  readonly batch?: number | undefined;
}

/** Options of {@link openBackend}. */
export interface OpenBackendOptions extends ContextOptions {
  /** Most cells. The context is sized to it. */
  readonly capacity: number;
  /**
   * Whether to try on the fresh context that llama.cpp moves this model's keys well, once a loaded model and type of keys. Defaults to
   * true. A model that fails has the reason in `capabilities.reindex`.
   */
  readonly selfTest?: boolean | undefined;
}

/** llama.cpp as a backend. */
export interface OpenedBackend extends KVCacheBackend<LlamaSampling> {
  /** Bytes of the context, the cache and its compute buffers, as node-llama-cpp estimates them. */
  readonly contextBytes: number;
  /** Threads that compute it. */
  readonly threads: number;
}

/** A backend as this package has it. */
export type OwnedBackend = LlamaBackend & OpenedBackend;

const LARGEST_BATCH = 512;
/** Numbers that Q8_0 and Q4_0 pack together. */
const QUANTISED_BLOCK = 32;
/** llama.cpp allocates cells in blocks. */
const CELL_BLOCK = 256;

/**
 * The backend alone, without a policy: a context of its own with one sequence. For streams that are put together by hand and
 * for the suite of `@kvpolicy/conformance`; {@link openStream} is what applications want. Dispose it when done.
 *
 * @throws {KVPolicyError} `config` when options contradict each other, or memory cannot hold the capacity; `unsupported` for an encoder or
 * a model that writes by diffusion, which has no cache; `disposed` when the model was disposed; `backend-failed` when llama.cpp cannot
 * create the context or fails in the self-test.
 */
export async function openBackend(model: LlamaModel, options: OpenBackendOptions): Promise<OpenedBackend> {
  checkContextOptions("openBackend", model, options);
  checkCount("openBackend", "capacity", options.capacity, 1);
  return createBackend(model, options, {
    option: "capacity",
    label: `A capacity of ${options.capacity} cells`,
  });
}

/** Refuses what cannot work whatever the size. */
export function checkContextOptions(
  caller: string,
  model: LlamaModel,
  { threads, batch, keyType = "F16", valueType = "F16", flashAttention }: ContextOptions,
): void {
  refuseDisposed(model);
  if (threads !== undefined) checkCount(caller, "threads", threads, 1);
  if (batch !== undefined) checkCount(caller, "batch", batch, 1);
  const { metadata } = model.fileInfo;
  checkCache(metadata.general.architecture);
  const { key, value } = readHeadSizes(metadata);
  checkCacheType("keyType", keyType, key);
  checkCacheType("valueType", valueType, value);
  if (valueType.startsWith("Q") && !flashAttention) {
    throw refuse("valueType", valueType, `Values of type ${valueType} need flashAttention.`);
  }
}

/** Refuses models without a cache of keys and values, whatever the policy. */
function checkCache(architecture: string): void {
  if (!WITHOUT_CACHE.has(architecture)) return;
  throw new KVPolicyError({
    code: "unsupported",
    message: `A model of the architecture ${architecture} cannot be streamed: ${NO_CACHE_REASON}.`,
    details: { feature: "cache", reason: NO_CACHE_REASON },
  });
}

/** llama.cpp takes a name that it does not know for F16, and ends the process when a block of quantised numbers would span heads. */
function checkCacheType(option: string, type: CacheType, headSize: number | undefined): void {
  if (!CACHE_TYPES.includes(type)) {
    throw refuse(option, type, `${option} must be one of ${CACHE_TYPES.join(", ")}, not ${type}.`);
  }
  if (packsAcrossHeads(type, headSize)) {
    throw refuse(
      option,
      type,
      `${type} packs ${QUANTISED_BLOCK} numbers in a block, and the heads of this model have ${String(headSize)}: use F16 or F32.`,
    );
  }
}

/** Whether a block of quantised numbers would span heads. */
export function packsAcrossHeads(type: CacheType, headSize: number | undefined): boolean {
  return type.startsWith("Q") && headSize !== undefined && headSize % QUANTISED_BLOCK !== 0;
}

/** The option that asked for the cells, in errors about memory. */
export interface SizeName {
  /** Its name. */
  readonly option: string;
  /** What it asked for, in words. */
  readonly label: string;
}

/** {@link openBackend} once its options are checked. */
export async function createBackend(
  model: LlamaModel,
  options: OpenBackendOptions,
  name: SizeName,
): Promise<OwnedBackend> {
  const context = await createContext(model, options, name);
  try {
    const native = new NativeSequence(context, context.getSequence());
    const { reindex, ...others } = describeCapabilities(model, options);
    const capabilities = {
      ...others,
      reindex: reindex === true ? await tryReindex(model, options, native, context.batchSize) : reindex,
      capacity: options.capacity,
      batch: context.batchSize,
    };
    const { ram, vram } = context.memoryUsage;
    return Object.assign(new LlamaBackend(native, capabilities, () => context.dispose()), {
      contextBytes: ram + vram,
      threads: context.idealThreads,
    });
  } catch (error) {
    await context.dispose();
    throw error;
  }
}

/** What the self-test says where the metadata say yes. */
async function tryReindex(
  model: LlamaModel,
  { keyType = "F16", selfTest = true }: OpenBackendOptions,
  native: NativeSequence,
  batch: number,
): Promise<Capability> {
  if (!selfTest) return true;
  try {
    const measured = await testOnce(model, keyType, native, batch);
    return measured === undefined || judgeSelfTest(model, measured);
  } catch (cause) {
    throw new KVPolicyError({
      code: "backend-failed",
      message: `llama.cpp failed while it was tried whether it moves this model's keys well: ${cause instanceof Error ? cause.message : String(cause)}.`,
      details: { operation: "selfTest", appended: 0 },
      cause,
    });
  }
}

/** What llama.cpp can do with this model, as far as its metadata say; the capacity may still be open. */
export function describeCapabilities(
  model: LlamaModel,
  { keyType = "F16", capacity }: ContextOptions & Partial<Pick<OpenBackendOptions, "capacity">>,
): BackendCapabilities {
  const { fileInsights, fileInfo } = model;
  const isRecurrent = fileInsights.isRecurrent || fileInsights.isHybrid;
  const truncate: Capability = isRecurrent
    ? "the model is recurrent, and its state cannot go back"
    : readSlidingWindow(fileInfo.metadata) === undefined ||
      fileInsights.swaSize === undefined ||
      "layers with a sliding window have dropped cells that going back would need";
  return {
    capacity: Number.MAX_SAFE_INTEGER,
    batch: LARGEST_BATCH,
    vocabularySize: fileInfo.metadata.tokenizer.ggml.tokens.length,
    reindex: checkReindex({
      metadata: fileInfo.metadata,
      keyType,
      cells: capacity,
      isRecurrent,
      onCpu: movesKeysOnCpu(model),
    }),
    truncate,
    nll: true,
    attention: "llama.cpp's attention probabilities cannot be read through node-llama-cpp",
    keys: "llama.cpp's cached keys cannot be read through node-llama-cpp",
  };
}

/** Whether the keys of a layer at least lie in the machine's memory. */
export function movesKeysOnCpu(model: LlamaModel): boolean {
  return model.gpuLayers < model.fileInsights.totalLayers;
}

/** The context that options ask for: what node-llama-cpp is told. */
export type ContextPlan = LlamaContextOptions & { readonly contextSize: number; readonly batchSize: number };

/**
 * What node-llama-cpp is told.
 *
 * @throws {KVPolicyError} `config` when keys and values alone are more than the machine has.
 */
export async function planContext(
  model: LlamaModel,
  options: OpenBackendOptions,
  name: SizeName,
): Promise<ContextPlan> {
  const { capacity, keyType = "F16", valueType = "F16", flashAttention = false } = options;
  const { maxThreads, cpuMathCores } = model.llama;
  // node-llama-cpp estimates by simulating the context, which takes minutes for an absurd budget: refuse that here.
  const installed = await installedBytes(model);
  if (keysAndValuesBytes(model, options) > installed)
    throw tooLarge(model, options, name, `and the machine has ${mebibytes(installed)} MiB`);
  return {
    contextSize: capacity,
    batchSize: options.batch ?? Math.min(LARGEST_BATCH, Math.ceil(capacity / CELL_BLOCK) * CELL_BLOCK),
    sequences: 1,
    flashAttention,
    experimentalKvCacheKeyType: keyType,
    experimentalKvCacheValueType: valueType,
    threads: options.threads ?? Math.min(cpuMathCores, maxThreads || cpuMathCores),
    failedCreationRemedy: false,
  };
}

async function createContext(
  model: LlamaModel,
  options: OpenBackendOptions,
  name: SizeName,
): Promise<LlamaContext> {
  const plan = await planContext(model, options, name);
  try {
    return await model.createContext(plan);
  } catch (cause) {
    if (cause instanceof InsufficientMemoryError)
      throw tooLarge(model, options, name, "more than is free", cause);
    throw new KVPolicyError({
      code: "backend-failed",
      message: `llama.cpp cannot create a context of ${options.capacity} cells: ${cause instanceof Error ? cause.message : String(cause)}.`,
      details: { operation: "createContext", appended: 0 },
      cause,
    });
  }
}

/** Bytes of the keys and values in every cell; 0 where the metadata does not say. */
export function keysAndValuesBytes(
  model: LlamaModel,
  { capacity, keyType = "F16", valueType = "F16" }: OpenBackendOptions,
): number {
  return capacity * (bytesPerCell(model.fileInfo.metadata, keyType, valueType) ?? 0);
}

function tooLarge(
  model: LlamaModel,
  options: OpenBackendOptions,
  { option, label }: SizeName,
  memory: string,
  cause?: unknown,
): KVPolicyError {
  const needed = mebibytes(keysAndValuesBytes(model, options));
  return refuse(
    option,
    options.capacity,
    `${label} needs about ${needed} MiB for its keys and values alone, ${memory}: choose a smaller ${option}.`,
    cause,
  );
}

/** An option, or a combination of options, that cannot work. */
export function refuse(option: string, value: unknown, message: string, cause?: unknown): KVPolicyError {
  return new KVPolicyError({ code: "config", message, details: { option, value }, cause });
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}
