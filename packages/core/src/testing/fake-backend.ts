import { KVPolicyError } from "../errors.js";
import {
  checkDecode,
  checkEviction,
  checkSupported,
  checkToken,
  checkTruncation,
  disposedBackend,
  disposedSampler,
  nothingPending,
} from "../backend-checks.js";
import type { BackendCapabilities, KVCacheBackend, Sampler } from "../backend.js";
import type { CacheRange } from "../range.js";

/** Options of {@link FakeBackend}. */
export interface FakeBackendOptions extends Partial<BackendCapabilities> {
  /** Whether it has `saveState` and `loadState`. Defaults to true. */
  readonly savesState?: boolean;
}

/** Sampling options of {@link FakeBackend}. */
export interface FakeSampling {
  /** 0 draws the likeliest token; any other draws at random, alike. Defaults to 1. */
  readonly temperature?: number;
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
      const [tokens, contents] = parseState(state, this.capabilities);
      this.#tokens = tokens;
      this.#contents = contents;
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
    checkDecode(tokens, options, this.#tokens.length, this.capabilities);
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
    checkSupported("nll", this.capabilities.nll);
    checkToken(target, this.capabilities.vocabularySize);
    if (!this.#pending) throw nothingPending();
    return predictNll(this.#contents, target);
  }

  createSampler({ temperature = 1, seed = 0 }: FakeSampling = {}): Sampler {
    if (this.#disposed) throw disposedBackend();
    let drawn = 0;
    let disposed = false;
    return {
      sample: async () => {
        await this.#record({ method: "sample" });
        if (disposed) throw disposedSampler();
        if (!this.#pending) throw nothingPending();
        const { vocabularySize } = this.capabilities;
        if (temperature === 0) return likeliestToken(this.#contents, vocabularySize);
        drawn += 1;
        return mix(mix(fold(this.#contents), seed), drawn) % vocabularySize;
      },
      dispose: () => {
        disposed = true;
      },
    };
  }

  async evict(ranges: readonly CacheRange[]): Promise<void> {
    await this.#record({ method: "evict", ranges: ranges.map(({ start, end }) => ({ start, end })) });
    checkSupported("evict", this.capabilities.reindex);
    checkEviction(ranges, this.#tokens.length);
    for (const { start, end } of [...ranges].reverse()) {
      this.#tokens.splice(start, end - start);
      this.#contents.splice(start, end - start);
    }
    this.#pending = false;
  }

  async truncate(length: number): Promise<void> {
    await this.#record({ method: "truncate", length });
    checkSupported("truncate", this.capabilities.truncate);
    checkTruncation(length, this.#tokens.length);
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
    if (this.#disposed) return;
    await this.#record({ method: "dispose" });
    this.#disposed = true;
  }

  async #record(call: FakeCall): Promise<void> {
    breach(this.#busy, `${call.method} during another call`);
    this.#busy = true;
    await Promise.resolve();
    this.#busy = false;
    if (this.#disposed) throw disposedBackend();
    this.calls.push(call);
    if (this.#failure?.method !== call.method) return;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }
}

/** @throws {KVPolicyError} `config` for bytes that are not the cells of a fake with this vocabulary, or too many of them. */
function parseState(
  state: Uint8Array,
  { capacity, vocabularySize }: BackendCapabilities,
): [tokens: number[], contents: number[]] {
  const [tokens = [], contents] = parseLists(state);
  if (tokens.length !== contents?.length) {
    throw refuseState(state, "they are no cells of a fake");
  }
  if (tokens.some((token) => token >= vocabularySize)) {
    throw refuseState(state, "they hold tokens outside the vocabulary");
  }
  if (tokens.length > capacity) {
    throw refuseState(state, `they are ${tokens.length} cells, and the backend holds ${capacity}`);
  }
  return [tokens, contents];
}

/** The two lists of whole numbers in a state; nothing when it is anything else. */
function parseLists(state: Uint8Array): number[][] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(state));
  } catch {
    return [];
  }
  const isList = (value: unknown): value is number[] => Array.isArray(value) && value.every(isCount);
  return Array.isArray(parsed) && parsed.length === 2 && parsed.every(isList) ? parsed : [];
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function refuseState(state: Uint8Array, problem: string): KVPolicyError<"config"> {
  return new KVPolicyError({
    code: "config",
    message: `The saved cells cannot be loaded: ${problem}.`,
    details: { option: "state", value: { bytes: state.byteLength } },
  });
}

/** What {@link FakeBackend} predicts: the negative log-likelihood of a token after cells with these contents. */
export function predictNll(contents: readonly number[], token: number): number {
  return nllFrom(fold(contents), token);
}

/** The token with the least {@link predictNll}, the lower id among equals. */
function likeliestToken(contents: readonly number[], vocabularySize: number): number {
  const folded = fold(contents);
  let likeliest = 0;
  for (let token = 1; token < vocabularySize; token += 1) {
    if (nllFrom(folded, token) < nllFrom(folded, likeliest)) likeliest = token;
  }
  return likeliest;
}

function nllFrom(folded: number, token: number): number {
  return (mix(folded, token) % 10_000) / 1000;
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
