import {
  createStream,
  KVPolicyError,
  resolveBudget,
  type BackendCapabilities,
  type CacheStream,
  type Capability,
  type KVCachePolicy,
} from "@kvpolicy/core";
import { InsufficientMemoryError, type LlamaContext, type LlamaModel } from "node-llama-cpp";

import { bytesPerCell, freeBytes } from "./context-memory.js";
import { LlamaBackend } from "./llama-backend.js";
import { NativeSequence } from "./native-sequence.js";
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
 * @throws {KVPolicyError} `config` when budget and policy contradict each other or memory cannot hold the budget;
 * `unsupported` when the policy needs what llama.cpp cannot do with this model; `disposed` when the model was disposed.
 */
export async function openStream(model: LlamaModel, options: OpenStreamOptions): Promise<LlamaStream> {
  if (model.disposed) throw disposed();
  const {
    policy,
    keyType = "F16",
    bos = model.tokens.shouldPrependBosToken,
    onWarning = emitWarning,
  } = options;
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
      bos: bos ? (model.tokens.bos ?? undefined) : undefined,
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
  // node-llama-cpp estimates by simulating the context, which takes minutes for an absurd budget: refuse that here.
  const perCell = bytesPerCell(model.fileInfo.metadata, keyType, valueType) ?? 0;
  const free = await freeBytes(model);
  const refuse = (cause?: unknown): KVPolicyError =>
    new KVPolicyError({
      code: "config",
      message:
        `A budget of ${budget} cells needs about ${mebibytes(budget * perCell)} MiB for its keys and values alone, ` +
        `and ${mebibytes(free)} MiB are free: choose a smaller budget.`,
      details: { option: "budget", value: budget },
      cause,
    });
  if (budget * perCell > free) throw refuse();
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
    throw cause instanceof InsufficientMemoryError ? refuse(cause) : cause;
  }
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}

function emitWarning({ code, message }: StreamWarning): void {
  process.emitWarning(message, { type: "KVPolicyWarning", code });
}

function disposed(): KVPolicyError {
  return new KVPolicyError({
    code: "disposed",
    message: "The model was disposed.",
    details: { what: "model" },
  });
}
