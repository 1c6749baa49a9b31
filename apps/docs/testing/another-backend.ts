import {
  checkDecode,
  checkEviction,
  checkSupported,
  checkToken,
  checkTruncation,
  disposedBackend,
  disposedSampler,
  nothingPending,
  type BackendCapabilities,
  type CacheRange,
  type KVCacheBackend,
  type Sampler,
} from "@kvpolicy/core";

import { sealState, unsealState } from "./sealed-state.js";

// #region engine
/** An engine whose cells have positions of their own. */
export interface Engine {
  /** Most cells. */
  readonly cells: number;
  /** Most tokens that one call of `evaluate` takes. */
  readonly largestBatch: number;
  /** Number of token ids. */
  readonly vocabularySize: number;
  /** Tells two models apart. */
  readonly modelId: number;
  /** Whether the keys of this model can be given other positions. */
  readonly canShift: boolean;
  /**
   * Computes tokens at the positions from `position` on. Answers the
   * logits behind those of the tokens that are `wanted`, by index.
   */
  evaluate(
    tokens: Uint32Array,
    position: number,
    wanted: readonly number[],
  ): Promise<readonly Float32Array[]>;
  /** Frees the cells at positions `start` … `end` − 1, and moves none. */
  remove(start: number, end: number): void;
  /** Adds `delta` to every position from `start` on. */
  shift(start: number, delta: number): void;
  /** All cells as bytes. */
  save(): Promise<Uint8Array>;
  /** Puts saved cells in place of the present ones, unseen. */
  load(bytes: Uint8Array): Promise<void>;
  /** Frees everything. A second call ends the process. */
  free(): void;
}
// #endregion engine

/** How tokens are drawn. */
export interface EngineSampling {
  /** 0 takes the likeliest token. Defaults to 1. */
  readonly temperature?: number;
  /** The same seed draws the same tokens. Drawn at random when left out. */
  readonly seed?: number;
}

/** An engine as a backend: the position of a cell is its index. */
export class EngineBackend implements KVCacheBackend<EngineSampling> {
  // #region capabilities
  readonly capabilities: BackendCapabilities;
  readonly #engine: Engine;
  #length = 0;
  /** Logits of the pending position; undefined when nothing is pending. */
  #pending: Float32Array | undefined;
  #isDisposed = false;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.capabilities = {
      capacity: engine.cells,
      batch: engine.largestBatch,
      vocabularySize: engine.vocabularySize,
      reindex: engine.canShift || "the engine cannot move the keys of this model",
      truncate: true,
      nll: true,
      attention: "the engine shows no attention",
      keys: "the engine shows no keys",
    };
  }
  // #endregion capabilities

  // #region decode
  async decode(
    tokens: Uint32Array,
    options?: { readonly scoreFrom: number },
  ): Promise<Float64Array | undefined> {
    this.#refuseDisposed();
    checkDecode(tokens, options, this.#length, this.capabilities);
    this.#pending = undefined;
    const last = tokens.length - 1;
    // The logits behind a token predict the next one.
    // Those behind the last token are the pending position.
    const firstWanted = options ? options.scoreFrom - 1 : last;
    const nlls: number[] = [];
    for (let start = 0; start < tokens.length; start += this.capabilities.batch) {
      const block = tokens.subarray(start, start + this.capabilities.batch);
      const wanted = [...block.keys()].filter((index) => start + index >= firstWanted);
      const rows = await this.#engine.evaluate(block, this.#length, wanted);
      this.#length += block.length;
      rows.forEach((logits, row) => {
        const next = tokens[start + (wanted[row] ?? NaN) + 1];
        if (next === undefined) this.#pending = logits;
        else nlls.push(nllOf(logits, next));
      });
    }
    return options && Float64Array.from(nlls);
  }
  // #endregion decode

  // #region pending
  async nll(target: number): Promise<number> {
    this.#refuseDisposed();
    checkSupported("nll", this.capabilities.nll);
    checkToken(target, this.capabilities.vocabularySize);
    return Promise.resolve(nllOf(this.#pendingLogits(), target));
  }

  createSampler({ temperature = 1, seed = Math.random() * 2 ** 32 }: EngineSampling = {}): Sampler {
    this.#refuseDisposed();
    const random = createRandom(seed);
    let isDisposed = false;
    return {
      sample: async () => {
        this.#refuseDisposed();
        if (isDisposed) throw disposedSampler();
        return Promise.resolve(draw(this.#pendingLogits(), temperature, random));
      },
      dispose: () => {
        isDisposed = true;
      },
    };
  }

  #pendingLogits(): Float32Array {
    if (!this.#pending) throw nothingPending();
    return this.#pending;
  }
  // #endregion pending

  // #region evict
  async evict(ranges: readonly CacheRange[]): Promise<void> {
    this.#refuseDisposed();
    checkSupported("evict", this.capabilities.reindex);
    checkEviction(ranges, this.#length);
    this.#pending = undefined;
    // From the back: the ranges that are still to come keep their positions.
    for (const { start, end } of ranges.toReversed()) {
      this.#engine.remove(start, end);
      this.#engine.shift(end, start - end);
      this.#length -= end - start;
    }
    return Promise.resolve();
  }

  async truncate(length: number): Promise<void> {
    this.#refuseDisposed();
    checkSupported("truncate", this.capabilities.truncate);
    checkTruncation(length, this.#length);
    this.#keepFirst(length);
    return Promise.resolve();
  }

  async clear(): Promise<void> {
    this.#refuseDisposed();
    this.#keepFirst(0);
    return Promise.resolve();
  }

  #keepFirst(length: number): void {
    this.#pending = undefined;
    // Up to the capacity, not the length: a decode that failed half way
    // may have left cells that were not counted.
    this.#engine.remove(length, this.capabilities.capacity);
    this.#length = length;
  }
  // #endregion evict

  // #region life
  async saveState(): Promise<Uint8Array> {
    this.#refuseDisposed();
    return sealState({ model: this.#engine.modelId, cells: this.#length }, await this.#engine.save());
  }

  async loadState(state: Uint8Array): Promise<void> {
    this.#refuseDisposed();
    const { cells, bytes } = unsealState(state, {
      model: this.#engine.modelId,
      capacity: this.capabilities.capacity,
    });
    this.#pending = undefined;
    await this.#engine.load(bytes);
    this.#length = cells;
  }

  async dispose(): Promise<void> {
    if (this.#isDisposed) return Promise.resolve();
    this.#isDisposed = true;
    this.#pending = undefined;
    this.#engine.free();
    return Promise.resolve();
  }

  #refuseDisposed(): void {
    if (this.#isDisposed) throw disposedBackend();
  }
  // #endregion life
}

// #region numbers
/** Negative log-likelihood of a token, in nats: log Σ exp(logits) − the token's. */
function nllOf(logits: Float32Array, token: number): number {
  const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return largest + Math.log(sum) - (logits[token] ?? NaN);
}

function draw(logits: Float32Array, temperature: number, random: () => number): number {
  const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  if (temperature === 0) return logits.indexOf(largest);
  const weights = Array.from(logits, (logit) => Math.exp((logit - largest) / temperature));
  let rest = random() * weights.reduce((total, weight) => total + weight, 0);
  const token = weights.findIndex((weight) => (rest -= weight) < 0);
  return token < 0 ? logits.indexOf(largest) : token;
}
// #endregion numbers

/** Numbers from 0 to 1 that look random: Weyl's sequence, hashed. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let hash = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
    return ((hash ^ (hash >>> 15)) >>> 0) / 2 ** 32;
  };
}
