import {
  checkPolicy,
  createStream,
  resolveBudget,
  type CacheStream,
  type KVCachePolicy,
} from "@kvpolicy/core";
import type { LlamaModel } from "node-llama-cpp";

import {
  checkContextOptions,
  createBackend,
  describeCapabilities,
  refuse,
  type ContextOptions,
} from "./open-backend.js";
import type { LlamaSampling } from "./sampling.js";
import { createTokenCodec } from "./token-codec.js";

/** Options of {@link openStream}. */
export interface OpenStreamOptions extends ContextOptions {
  /** Which tokens stay. */
  readonly policy: KVCachePolicy;
  /**
   * Most cells in use, the current token's included. The context is sized to it. Defaults to the policy's own budget, else to
   * the length that the model was trained on.
   */
  readonly budget?: number | undefined;
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

/**
 * Opens a stream on a loaded model: a context of its own, sized to the budget, with one sequence that the policy governs.
 *
 * @example
 * ```ts
 * await using stream = await openStream(model, { policy: sinkWindow(), budget: 1024 });
 * await stream.appendText(book);
 * for await (const { text } of stream.generate({ maxTokens: 200, temperature: 0.7 })) process.stdout.write(text);
 * ```
 * @throws {KVPolicyError} `config` when there is no policy, options contradict each other or the model, or memory cannot hold the
 * budget; `unsupported` when the policy needs what llama.cpp cannot do with this model; `disposed` when the model was disposed;
 * `backend-failed` when llama.cpp cannot create the context.
 */
export async function openStream(model: LlamaModel, options: OpenStreamOptions): Promise<LlamaStream> {
  checkContextOptions("openStream", model, options);
  const { policy, onWarning = emitWarning } = options;
  checkPolicy("openStream", policy);
  const bos = findBos(model, options.bos);
  const namedBudget = options.budget ?? policy.budget;
  const budget = resolveBudget(
    policy,
    describeCapabilities(model, options),
    options.budget ?? (namedBudget === undefined ? model.trainContextSize : undefined),
  );
  if (budget > model.trainContextSize) {
    onWarning({
      code: "budget-above-trained-length",
      message:
        `The budget of ${budget} cells is above the ${model.trainContextSize} positions that the model was trained on. ` +
        "Positions stay inside the cache, so they pass the trained length once the cache holds more than that.",
    });
  }
  const origin =
    namedBudget === undefined ? " (the length that the model was trained on: nothing names a budget)" : "";
  const backend = await createBackend(
    model,
    { ...options, capacity: budget },
    { option: "budget", label: `A budget of ${budget} cells${origin}` },
  );
  try {
    const stream = createStream<LlamaSampling>({
      backend,
      policy,
      budget,
      bos,
      codec: createTokenCodec(model, options),
    });
    return Object.assign(stream, { contextBytes: backend.contextBytes });
  } catch (error) {
    await backend.dispose();
    throw error;
  }
}

/** The token that opens the stream, if any. */
function findBos(model: LlamaModel, wanted = model.tokens.shouldPrependBosToken): number | undefined {
  if (!wanted) return undefined;
  const { bos } = model.tokens;
  if (bos === null) throw refuse("bos", true, "The model has no beginning-of-sequence token.");
  return bos;
}

function emitWarning({ code, message }: StreamWarning): void {
  process.emitWarning(message, { type: "KVPolicyWarning", code });
}
