import {
  checkCount,
  createStream,
  KVPolicyError,
  resolveBudget,
  type BackendCapabilities,
  type CacheStream,
  type Capability,
  type KVCachePolicy,
} from "@kvpolicy/core";
import { InsufficientMemoryError, type LlamaContext, type LlamaModel } from "node-llama-cpp";

import { bytesPerCell, installedBytes } from "./context-memory.js";
import { LlamaBackend } from "./llama-backend.js";
import { NativeSequence } from "./native-sequence.js";
import { refuseDisposed } from "./refuse-disposed.js";
import { checkReindex, type CacheType } from "./reindex-gate.js";
import type { LlamaSampling } from "./sampling.js";
import { createTokenCodec } from "./token-codec.js";

/** Options of {@link openStream}. */
export interface OpenStreamOptions {
  /** Which tokens stay. */
  readonly policy: KVCachePolicy;
  /**
   * Most cells in use, the current token's included. The context is sized to it. Defaults to the policy's own budget, else to
   * the length that the model was trained on.
   */
  readonly budget?: number | undefined;
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
  /** Whether the stream begins with a beginning-of-sequence token, marked `bos`. Defaults to what the model's metadata says. */
  readonly bos?: boolean | undefined;
  /** Whether `appendText` reads the text of special tokens as those tokens. Defaults to false, as in node-llama-cpp. */
  readonly specialTokens?: boolean | undefined;
  /** Told of what works but may surprise. Defaults to a process warning. */
  readonly onWarning?: ((warning: StreamWarning) => void) | undefined;
}

/** Something that works but may surprise. */
export interface StreamWarning {
  /** What: the budget is larger than the length that the model was trained on. */
  readonly code: "budget-above-trained-length";
  /** The same in words, with the numbers. */
  readonly message: string;
}

/** A stream on llama.cpp. */
export interface LlamaStream extends CacheStream<LlamaSampling> {
  /** Bytes that llama.cpp allocated for the stream's context: the cache and its compute buffers. */
  readonly contextBytes: number;
}

const LARGEST_BATCH = 512;
/** llama.cpp allocates cells in blocks. */
const CELL_BLOCK = 256;

/**
 * Opens a stream on a loaded model: a context of its own, sized to the budget, with one sequence that the policy governs.
 *
 * @example
 * ```ts
 * await using stream = await openStream(model, { policy: sinkWindow(), budget: 1024 });
 * await stream.appendText(book);
 * for await (const { text } of stream.generate({ maxTokens: 200, temperature: 0.7 })) process.stdout.write(text);
 * ```
 * @throws {KVPolicyError} `config` when options contradict each other or the model, or memory cannot hold the budget;
 * `unsupported` when the policy needs what llama.cpp cannot do with this model; `disposed` when the model was disposed;
 * `backend-failed` when llama.cpp cannot create the context.
 */
export async function openStream(model: LlamaModel, options: OpenStreamOptions): Promise<LlamaStream> {
  refuseDisposed(model);
  const { policy, keyType = "F16", valueType = "F16", threads, onWarning = emitWarning } = options;
  if (threads !== undefined) checkCount("openStream", "threads", threads, 1);
  if (valueType.startsWith("Q") && !options.flashAttention) {
    throw refuse("valueType", valueType, `Values of type ${valueType} need flashAttention.`);
  }
  const bos = findBos(model, options.bos);
  const capabilities = describeCapabilities(model, keyType);
  const budget = resolveBudget(
    policy,
    capabilities,
    options.budget ?? (policy.budget === undefined ? model.trainContextSize : undefined),
  );
  if (budget > model.trainContextSize) {
    onWarning({
      code: "budget-above-trained-length",
      message:
        `The budget of ${budget} cells is above the ${model.trainContextSize} positions that the model was trained on. ` +
        "Positions stay inside the cache, so they pass the trained length once the cache holds more than that.",
    });
  }
  const context = await createContext(model, budget, options);
  try {
    const sequence = context.getSequence();
    const native = new NativeSequence(context, sequence);
    const backend = new LlamaBackend(
      native,
      { ...capabilities, capacity: budget, batch: context.batchSize },
      () => context.dispose(),
    );
    const stream = createStream<LlamaSampling>({
      backend,
      policy,
      budget,
      bos,
      codec: createTokenCodec(model, options),
    });
    const { ram, vram } = context.memoryUsage;
    return Object.assign(stream, { contextBytes: ram + vram });
  } catch (error) {
    await context.dispose();
    throw error;
  }
}

/** What llama.cpp can do with this model; the capacity is still open. */
function describeCapabilities(model: LlamaModel, keyType: CacheType): BackendCapabilities {
  const { fileInsights, fileInfo } = model;
  const isRecurrent = fileInsights.isRecurrent || fileInsights.isHybrid;
  const truncate: Capability = isRecurrent
    ? "the model is recurrent, and its state cannot go back"
    : fileInsights.swaSize === undefined ||
      "layers with a sliding window have dropped cells that going back would need";
  return {
    capacity: Number.MAX_SAFE_INTEGER,
    batch: LARGEST_BATCH,
    vocabularySize: fileInfo.metadata.tokenizer.ggml.tokens.length,
    reindex: checkReindex({
      metadata: fileInfo.metadata,
      keyType,
      slidingWindow: fileInsights.swaSize,
      isRecurrent,
      onCpu: model.gpuLayers < fileInsights.totalLayers,
    }),
    truncate,
    nll: true,
    attention: "llama.cpp's attention probabilities cannot be read through node-llama-cpp",
    keys: "llama.cpp's cached keys cannot be read through node-llama-cpp",
  };
}

async function createContext(
  model: LlamaModel,
  budget: number,
  options: OpenStreamOptions,
): Promise<LlamaContext> {
  const { keyType = "F16", valueType = "F16", flashAttention = false } = options;
  const { maxThreads, cpuMathCores } = model.llama;
  const needed = budget * (bytesPerCell(model.fileInfo.metadata, keyType, valueType) ?? 0);
  const budgetOrigin =
    (options.budget ?? options.policy.budget)
      ? ""
      : " (the length that the model was trained on: nothing names a budget)";
  const tooLarge = (memory: string, cause?: unknown): KVPolicyError =>
    refuse(
      "budget",
      budget,
      `A budget of ${budget} cells${budgetOrigin} needs about ${mebibytes(needed)} MiB for its keys and values alone, ` +
        `${memory}: choose a smaller budget.`,
      cause,
    );
  // node-llama-cpp estimates by simulating the context, which takes minutes for an absurd budget: refuse that here.
  const installed = await installedBytes(model);
  if (needed > installed) throw tooLarge(`and the machine has ${mebibytes(installed)} MiB`);
  try {
    return await model.createContext({
      contextSize: budget,
      batchSize: Math.min(LARGEST_BATCH, Math.ceil(budget / CELL_BLOCK) * CELL_BLOCK),
      sequences: 1,
      flashAttention,
      experimentalKvCacheKeyType: keyType,
      experimentalKvCacheValueType: valueType,
      threads: options.threads ?? Math.min(cpuMathCores, maxThreads || cpuMathCores),
      failedCreationRemedy: false,
    });
  } catch (cause) {
    if (cause instanceof InsufficientMemoryError) throw tooLarge("more than is free", cause);
    throw new KVPolicyError({
      code: "backend-failed",
      message: `llama.cpp cannot create a context of ${budget} cells: ${cause instanceof Error ? cause.message : String(cause)}.`,
      details: { operation: "createContext", appended: 0 },
      cause,
    });
  }
}

/** The token that opens the stream, if any. */
function findBos(model: LlamaModel, wanted = model.tokens.shouldPrependBosToken): number | undefined {
  if (!wanted) return undefined;
  const { bos } = model.tokens;
  if (bos === null) throw refuse("bos", true, "The model has no beginning-of-sequence token.");
  return bos;
}

function refuse(option: string, value: unknown, message: string, cause?: unknown): KVPolicyError {
  return new KVPolicyError({ code: "config", message, details: { option, value }, cause });
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}

function emitWarning({ code, message }: StreamWarning): void {
  process.emitWarning(message, { type: "KVPolicyWarning", code });
}
