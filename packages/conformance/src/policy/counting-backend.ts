import type { BackendCapabilities, CacheRange, KVCacheBackend } from "@kvpolicy/core";

import { hash } from "../hash.js";

/** Token ids that it takes. */
export const VOCABULARY = 100;

/**
 * A backend for laws of policies: it holds no cells, only a number that everything done to it goes into. A token costs the same
 * whatever is cached, so that policies of thousands of cells are tried in no time.
 */
export class CountingBackend implements KVCacheBackend {
  readonly capabilities: BackendCapabilities;
  #history = 0;

  constructor(capacity: number) {
    this.capabilities = {
      capacity,
      batch: 8,
      vocabularySize: VOCABULARY,
      reindex: true,
      truncate: true,
      nll: true,
      attention: true,
      keys: true,
    };
  }

  decode(tokens: Uint32Array, options?: { readonly scoreFrom: number }): Promise<Float64Array | undefined> {
    const nlls = options && new Float64Array(tokens.length - options.scoreFrom);
    tokens.forEach((token, index) => {
      if (nlls && index >= options.scoreFrom) nlls[index - options.scoreFrom] = this.#nll(token);
      this.#note(token);
    });
    return Promise.resolve(nlls);
  }

  nll(target: number): Promise<number> {
    return Promise.resolve(this.#nll(target));
  }

  createSampler(): never {
    throw new Error("The laws of policies generate nothing.");
  }

  evict(ranges: readonly CacheRange[]): Promise<void> {
    for (const { start, end } of ranges) {
      this.#note(start);
      this.#note(end);
    }
    return Promise.resolve();
  }

  truncate(length: number): Promise<void> {
    this.#note(length);
    return Promise.resolve();
  }

  clear(): Promise<void> {
    this.#history = 0;
    return Promise.resolve();
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }

  #nll(token: number): number {
    return (hash(this.#history, token) % 10_000) / 1000;
  }

  #note(value: number): void {
    this.#history = hash(this.#history, value);
  }
}
