import {
  checkCount,
  checkDecode,
  checkEviction,
  checkToken,
  checkTruncation,
  disposedBackend,
  disposedSampler,
  KVPolicyError,
  nothingPending,
  type BackendCapabilities,
  type CacheRange,
  type KVCacheBackend,
  type Sampler,
} from "@kvpolicy/core";

import { attendCells, type AttentionMap } from "./attention.js";
import { CellCache } from "./cell-cache.js";
import { EventLoop } from "./event-loop.js";
import { fingerprintOf } from "./fingerprint.js";
import { logSoftmax } from "./log-softmax.js";
import type { ReferenceModel } from "./model.js";
import { createDraw, type ReferenceSampling } from "./sampling.js";
import { loadCells, saveCells } from "./saved-cells.js";
import { computeLogits, embedTokens, runLayer } from "./transformer.js";

/** Options of {@link ReferenceBackend}. */
export interface ReferenceBackendOptions {
  /** Most cells. Defaults to the length that the model was trained on, or its sliding window if that is shorter. Memory grows with the cells in use. */
  readonly capacity?: number | undefined;
  /** Tokens computed at once. Defaults to 64. Predictions do not depend on it. */
  readonly batch?: number | undefined;
  /**
   * Where the cells are kept, a new and empty one for every backend. Defaults to a {@link CellCache}; one of a subclass changes
   * which positions cells get, or what is kept of them.
   */
  readonly cache?: CellCache | undefined;
}

/**
 * A transformer in plain TypeScript as a backend: what every other backend is compared with. Weights are F32, everything
 * else F64. Keys are cached without their positions, so an eviction moves numbers and rounds nothing.
 *
 * @example
 * ```ts
 * const model = await loadModel("model.gguf");
 * const backend = new ReferenceBackend(model, { capacity: 256 });
 * await using stream = createStream({ backend, policy: sinkWindow() });
 * ```
 */
export class ReferenceBackend implements KVCacheBackend<ReferenceSampling> {
  readonly capabilities: BackendCapabilities;
  readonly #model: ReferenceModel;
  readonly #cache: CellCache;
  readonly #eventLoop = new EventLoop();
  readonly #observers = new Set<(map: AttentionMap) => void>();
  /** Log-probabilities at the pending position, [vocabularySize]. */
  #pending: Float64Array | undefined;
  #disposed = false;

  /**
   * @throws {KVPolicyError} `config` when capacity or batch is not a whole number of at least 1, the capacity is above the
   * model's sliding window, or the cache is made for another model or holds cells.
   */
  constructor(
    model: ReferenceModel,
    {
      capacity = Math.min(model.contextLength, model.slidingWindow ?? Infinity),
      batch = 64,
      cache = new CellCache(model.layers.length, model.shape.keyValueHeads * model.shape.headSize),
    }: ReferenceBackendOptions = {},
  ) {
    checkCount("ReferenceBackend", "capacity", capacity, 1);
    checkCount("ReferenceBackend", "batch", batch, 1);
    checkFit(model, capacity, cache);
    this.#model = model;
    this.#cache = cache;
    this.capabilities = {
      capacity,
      batch,
      vocabularySize: model.vocabularySize,
      reindex: true,
      truncate: true,
      nll: true,
      attention: "it is not shown to policies: see onAttention",
      keys: "they are not shown to policies: see the method keys",
    };
  }

  /**
   * Calls a listener with the attention probabilities of each layer of each block that is decoded. The answer takes it off
   * again. Costs memory and time only while there is a listener. What a listener throws, the decode rejects with once all its
   * tokens are cells; a stream takes that for a failure of its backend.
   */
  onAttention(listener: (map: AttentionMap) => void): () => void {
    this.#refuseDisposed();
    this.#observers.add(listener);
    return () => {
      this.#observers.delete(listener);
    };
  }

  /**
   * Cached keys of a layer without their positions, [cells × keyValueHeads × headSize], copied.
   *
   * @throws {KVPolicyError} `range` when there is no such layer.
   */
  keys(layer: number): Float64Array {
    this.#refuseDisposed();
    const { layers, length, width } = this.#cache;
    const cells = layers[layer];
    if (!cells) {
      throw new KVPolicyError({
        code: "range",
        message: `There is no layer ${layer}: the model has ${layers.length}.`,
        details: { what: "layer", value: layer, minimum: 0, maximum: layers.length - 1 },
      });
    }
    return cells.keys.slice(0, length * width);
  }

  async decode(
    tokens: Uint32Array,
    options?: { readonly scoreFrom: number },
  ): Promise<Float64Array | undefined> {
    this.#refuseDisposed();
    checkDecode(tokens, options, this.#cache.length, this.capabilities);
    this.#pending = undefined;
    const { width } = this.#model;
    const nlls = options && new Float64Array(tokens.length - options.scoreFrom);
    const failures: unknown[] = [];
    for (let start = 0; start < tokens.length; start += this.capabilities.batch) {
      const block = tokens.subarray(start, start + this.capabilities.batch);
      const stream = await this.#runBlock(block, failures);
      for (let row = 0; row < block.length; row += 1) {
        const next = start + row + 1;
        const isScored = options !== undefined && next >= options.scoreFrom && next < tokens.length;
        if (!isScored && next < tokens.length) continue;
        await this.#eventLoop.breathe();
        const predicted = logSoftmax(
          computeLogits(this.#model, stream.subarray(row * width, (row + 1) * width)),
        );
        if (nlls && isScored) nlls[next - options.scoreFrom] = -predicted[tokens[next]!]!;
        else this.#pending = predicted;
      }
    }
    if (failures.length > 0) throw failures[0];
    return nlls;
  }

  async nll(target: number): Promise<number> {
    this.#refuseDisposed();
    checkToken(target, this.capabilities.vocabularySize);
    return Promise.resolve(-this.#pendingRow()[target]!);
  }

  createSampler(options: ReferenceSampling = {}): Sampler {
    this.#refuseDisposed();
    const draw = createDraw(options);
    let isDisposed = false;
    return {
      sample: async () => {
        this.#refuseDisposed();
        if (isDisposed) throw disposedSampler();
        return Promise.resolve(draw(this.#pendingRow()));
      },
      dispose: () => {
        isDisposed = true;
      },
    };
  }

  async evict(ranges: readonly CacheRange[]): Promise<void> {
    this.#refuseDisposed();
    checkEviction(ranges, this.#cache.length);
    this.#pending = undefined;
    this.#cache.remove(ranges);
    return Promise.resolve();
  }

  async truncate(length: number): Promise<void> {
    this.#refuseDisposed();
    checkTruncation(length, this.#cache.length);
    this.#pending = undefined;
    this.#cache.length = length;
    return Promise.resolve();
  }

  async clear(): Promise<void> {
    this.#refuseDisposed();
    this.#pending = undefined;
    this.#cache.length = 0;
    return Promise.resolve();
  }

  async saveState(): Promise<Uint8Array> {
    this.#refuseDisposed();
    return Promise.resolve(saveCells(this.#cache, fingerprintOf(this.#model)));
  }

  async loadState(state: Uint8Array): Promise<void> {
    this.#refuseDisposed();
    const { capacity } = this.capabilities;
    loadCells(this.#cache, state, { fingerprint: fingerprintOf(this.#model), capacity });
    this.#pending = undefined;
    return Promise.resolve();
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#pending = undefined;
    this.#observers.clear();
    this.#cache.release();
    return Promise.resolve();
  }

  /**
   * Decodes a block behind the cells in use: the residual stream after the last layer, [tokens × width]. What listeners throw is
   * added to the failures.
   */
  async #runBlock(block: Uint32Array, failures: unknown[]): Promise<Float64Array> {
    const { layers, shape } = this.#model;
    const observe = (map: AttentionMap): void => {
      for (const listener of this.#observers) {
        try {
          listener(map);
        } catch (failure) {
          failures.push(failure);
        }
      }
    };
    const stream = embedTokens(this.#model, block);
    for (const [index, layer] of layers.entries()) {
      await this.#eventLoop.breathe();
      runLayer(layer, index, stream, block.length, (input) =>
        attendCells(layer, shape, input, this.#cache, this.#observers.size > 0 ? observe : undefined),
      );
    }
    this.#cache.length += block.length;
    return stream;
  }

  #pendingRow(): Float64Array {
    this.#refuseDisposed();
    if (!this.#pending) throw nothingPending();
    return this.#pending;
  }

  #refuseDisposed(): void {
    if (this.#disposed) throw disposedBackend();
  }
}

function checkFit(model: ReferenceModel, capacity: number, cache: CellCache): void {
  const { slidingWindow = Infinity, layers, shape } = model;
  const refuse = (option: string, value: unknown, problem: string): KVPolicyError =>
    new KVPolicyError({
      code: "config",
      message: `ReferenceBackend: ${problem}.`,
      details: { option, value },
    });
  if (capacity > slidingWindow) {
    throw refuse(
      "capacity",
      capacity,
      `a capacity of ${capacity} cells is above the ${slidingWindow} that all layers of the model see`,
    );
  }
  const width = shape.keyValueHeads * shape.headSize;
  if (cache.layers.length !== layers.length || cache.width !== width) {
    throw refuse(
      "cache",
      { layers: cache.layers.length, width: cache.width },
      `the cache has ${cache.layers.length} layers of ${cache.width} numbers, and the model ${layers.length} of ${width}`,
    );
  }
  if (cache.length !== 0) {
    throw refuse("cache", { length: cache.length }, `the cache holds ${cache.length} cells already`);
  }
}
