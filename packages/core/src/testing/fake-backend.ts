import type { BackendCapabilities, KVCacheBackend, Sampler } from "../backend.js";
import type { CacheRange } from "../range.js";

/** Options of {@link FakeBackend}. */
export interface FakeBackendOptions extends Partial<BackendCapabilities> {
  /** Whether it has `saveState` and `loadState`. Defaults to true. */
  readonly savesState?: boolean;
}

/** Sampling options of {@link FakeBackend}. */
export interface FakeSampling {
  /** Two samplers with the same seed draw the same tokens from the same cells. Defaults to 0. */
  readonly seed?: number;
}

/** A call that the fake received. */
export type FakeCall =
  | { readonly method: "decode"; readonly tokens: readonly number[]; readonly scoreFrom: number | undefined }
  | { readonly method: "evict"; readonly ranges: readonly CacheRange[] }
  | { readonly method: "truncate"; readonly length: number }
  | { readonly method: "nll" | "sample" | "clear" | "dispose" | "saveState" | "loadState" };

/**
 * A backend without a model: it records its calls, refuses every breach of the contract, and predicts from a hash of its
 * cells. A cell's content depends on everything that was cached when it was decoded, as real keys and values do, so that
 * reused and recomputed survivors predict differently; and a prediction depends on every cell and its index.
 */
export class FakeBackend implements KVCacheBackend<FakeSampling> {
  /** What it offers: capacity 64, batch 8, vocabulary 100 and everything but attention and keys, unless told otherwise. */
  readonly capabilities: BackendCapabilities;
  /** Every call so far. */
  readonly calls: FakeCall[] = [];
  /** Present unless told otherwise. */
  readonly saveState?: () => Promise<Uint8Array>;
  /** Present unless told otherwise. */
  readonly loadState?: (state: Uint8Array) => Promise<void>;
  #tokens: number[] = [];
  #contents: number[] = [];
  #pending = false;
  #failure: { readonly method: FakeCall["method"]; readonly error: Error } | undefined;
  #disposed = false;
  #busy = false;

  constructor({ savesState = true, ...capabilities }: FakeBackendOptions = {}) {
    this.capabilities = {
      capacity: 64,
      batch: 8,
      vocabularySize: 100,
      reindex: true,
      truncate: true,
      nll: true,
      attention: "the fake computes no attention",
      keys: "the fake caches no keys",
      ...capabilities,
    };
    if (!savesState) return;
    this.saveState = async () => {
      await this.#record({ method: "saveState" });
      return new TextEncoder().encode(JSON.stringify([this.#tokens, this.#contents]));
    };
    this.loadState = async (state) => {
      await this.#record({ method: "loadState" });
      [this.#tokens, this.#contents] = JSON.parse(new TextDecoder().decode(state)) as [number[], number[]];
      this.#pending = false;
    };
  }

  /** Token ids of its cells. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /** Makes the next call of a method fail. */
  failNext(method: FakeCall["method"], error: Error): void {
    this.#failure = { method, error };
  }

  async decode(
    tokens: Uint32Array,
    options?: { readonly scoreFrom: number },
  ): Promise<Float64Array | undefined> {
    await this.#record({ method: "decode", tokens: [...tokens], scoreFrom: options?.scoreFrom });
    breach(tokens.length === 0, "decode of no tokens");
    breach(this.#tokens.length + tokens.length > this.capabilities.capacity, "decode beyond the capacity");
    breach(
      options !== undefined && (options.scoreFrom < 1 || options.scoreFrom >= tokens.length),
      "scoreFrom out of range",
    );
    const nlls: number[] = [];
    tokens.forEach((token, index) => {
      if (options && index >= options.scoreFrom) nlls.push(predictNll(this.#contents, token));
      this.#contents.push(cellContent(this.#contents, token));
      this.#tokens.push(token);
    });
    this.#pending = true;
    return options && Float64Array.from(nlls);
  }

  async nll(target: number): Promise<number> {
    await this.#record({ method: "nll" });
    breach(!this.#pending, "nll of a pending position that is not valid");
    return predictNll(this.#contents, target);
  }

  createSampler({ seed = 0 }: FakeSampling = {}): Sampler {
    let drawn = 0;
    let disposed = false;
    return {
      sample: async () => {
        await this.#record({ method: "sample" });
        breach(disposed, "sample after dispose");
        breach(!this.#pending, "sample at a pending position that is not valid");
        drawn += 1;
        return mix(mix(fold(this.#contents), seed), drawn) % this.capabilities.vocabularySize;
      },
      dispose: () => {
        disposed = true;
      },
    };
  }

  async evict(ranges: readonly CacheRange[]): Promise<void> {
    await this.#record({ method: "evict", ranges: ranges.map(({ start, end }) => ({ start, end })) });
    breach(this.capabilities.reindex !== true, "evict without reindex");
    let previousEnd = 0;
    for (const { start, end } of ranges) {
      breach(start < previousEnd || end <= start || end > this.#tokens.length, "evict of invalid ranges");
      previousEnd = end;
    }
    for (const { start, end } of [...ranges].reverse()) {
      this.#tokens.splice(start, end - start);
      this.#contents.splice(start, end - start);
    }
    this.#pending = false;
  }

  async truncate(length: number): Promise<void> {
    await this.#record({ method: "truncate", length });
    breach(length < 1 || length > this.#tokens.length, "truncate out of range");
    this.#tokens.length = length;
    this.#contents.length = length;
    this.#pending = false;
  }

  async clear(): Promise<void> {
    await this.#record({ method: "clear" });
    this.#tokens = [];
    this.#contents = [];
    this.#pending = false;
  }

  async dispose(): Promise<void> {
    await this.#record({ method: "dispose" });
    this.#disposed = true;
  }

  async #record(call: FakeCall): Promise<void> {
    breach(this.#busy, `${call.method} during another call`);
    this.#busy = true;
    await Promise.resolve();
    this.#busy = false;
    breach(this.#disposed, `${call.method} after dispose`);
    this.calls.push(call);
    if (this.#failure?.method !== call.method) return;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }
}

/** What {@link FakeBackend} predicts: the negative log-likelihood of a token after cells with these contents. */
export function predictNll(contents: readonly number[], token: number): number {
  return (mix(fold(contents), token) % 10_000) / 1000;
}

/** Content of the cell that {@link FakeBackend} adds for a token after cells with these contents. */
export function cellContent(contents: readonly number[], token: number): number {
  return mix(fold(contents), token);
}

function fold(contents: readonly number[]): number {
  return contents.reduce((sum, content, index) => mix(mix(sum, content), index), contents.length);
}

/** A 32-bit integer hash of two numbers (the finalizer of MurmurHash3). */
function mix(first: number, second: number): number {
  let hash = Math.imul(first ^ Math.imul(second, 0x9e3779b1), 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function breach(condition: boolean, what: string): void {
  if (condition) throw new Error(`breach of the backend contract: ${what}`);
}
