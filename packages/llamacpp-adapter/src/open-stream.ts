import { randomInt } from "node:crypto";

import {
  checkCount,
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
import { restoreOptions } from "./snapshot/restored-options.js";
import type { LlamaSampling } from "./sampling.js";
import { SamplingSeeds } from "./snapshot/sampling-seeds.js";
import { createSave, type SaveOptions } from "./snapshot/save-stream.js";
import { describeSnapshot, readSnapshotFile, type SnapshotInfo } from "./snapshot/snapshot-file.js";
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
  /**
   * A snapshot file that {@link LlamaStream.save} wrote: the stream goes on from there. `budget`, `keyType`, `valueType`,
   * `flashAttention`, `bos` and `seed` are the snapshot's then, and refused when they differ; the policy may be another one.
   */
  readonly restore?: string | undefined;
  /**
   * Where the seeds of sampling come from, a whole number: each `generate` without a seed of its own gets one from this and the stream
   * position at which it begins. Defaults to a random number.
   */
  readonly seed?: number | undefined;
  /**
   * Whether to try on the fresh context that llama.cpp moves this model's keys well, when the policy has them moved; once a loaded model
   * and type of keys. Defaults to true.
   */
  readonly selfTest?: boolean | undefined;
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
  /** Bytes of the stream's context, the cache and its compute buffers, as node-llama-cpp estimates them; `estimateMemory` tells the same before. */
  readonly contextBytes: number;
  /** What the stream was restored from; undefined for one that began empty. */
  readonly restored: SnapshotInfo | undefined;
  /**
   * Writes everything that the stream is to a file that `openStream(model, { restore: path })` goes on from, in this process or another.
   * A kill at any moment leaves the old file or the new one, whole; only the owner may read it. Between two tokens of a running
   * `generate` is fine: the token that was yielded last is part of the snapshot, the generation itself is not.
   *
   * @throws {KVPolicyError} `config` when the file cannot be written (the old one stays) or `extra` is no JSON, `unsupported` for models
   * that cannot go back when the last token was appended and not generated, `broken`, `disposed`.
   */
  save(path: string, options?: SaveOptions): Promise<void>;
}

/**
 * Opens a stream on a loaded model: a context of its own, sized to the budget, with one sequence that the policy governs. With `restore`
 * it goes on from a snapshot.
 *
 * @example
 * ```ts
 * await using stream = await openStream(model, { policy: sinkWindow(), budget: 1024 });
 * await stream.appendText(book);
 * for await (const { text } of stream.generate({ maxTokens: 200, temperature: 0.7 })) process.stdout.write(text);
 * ```
 * @throws {KVPolicyError} `config` when there is no policy, options contradict each other, the model or the snapshot, the snapshot is
 * none, damaged or of another model, or memory cannot hold the budget; `unsupported` when the policy needs what llama.cpp cannot do with this model; `disposed` when the model was disposed;
 * `backend-failed` when llama.cpp cannot create the context or fails in the self-test.
 */
export async function openStream(model: LlamaModel, given: OpenStreamOptions): Promise<LlamaStream> {
  checkContextOptions("openStream", model, given);
  const { policy, onWarning = emitWarning } = given;
  checkPolicy("openStream", policy);
  if (given.seed !== undefined) checkCount("openStream", "seed", given.seed, 0);
  const file = given.restore === undefined ? undefined : await readSnapshotFile(given.restore);
  const options = file ? await restoreOptions(model, given, file) : given;
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
    {
      ...options,
      capacity: budget,
      selfTest: options.selfTest !== false && policy.requires.includes("reindex"),
    },
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
    const seeds = new SamplingSeeds(
      file?.seeds ?? { seed: options.seed ?? randomInt(2 ** 32), position: -1, repeats: 0 },
    );
    if (file) await stream.restore(file.snapshot);
    return Object.assign(stream, {
      contextBytes: backend.contextBytes,
      restored: file && describeSnapshot(file),
      generate: seedGenerate(stream, seeds),
      save: createSave({ stream, backend, bos, seeds }),
    });
  } catch (error) {
    await backend.dispose();
    throw error;
  }
}

/** `generate` with a seed where the caller gives none. */
function seedGenerate(
  stream: CacheStream<LlamaSampling>,
  seeds: SamplingSeeds,
): CacheStream<LlamaSampling>["generate"] {
  const generate = stream.generate.bind(stream);
  return (options) => {
    let seed = options?.seed;
    return generate({
      ...options,
      // Asked when the sampler is made, in the stream's turn: only then is it known where the generation begins.
      get seed() {
        return (seed ??= seeds.next(stream.position));
      },
    });
  };
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
