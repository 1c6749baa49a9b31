import type { CacheRange } from "./range.js";

/** Whether a backend can do something: `true`, or why it cannot, in words. */
export type Capability = true | string;

/** What a backend offers. Fixed for its life. */
export interface BackendCapabilities {
  /** Most cells that it can hold. */
  readonly capacity: number;
  /** Tokens that it likes to decode in one step. A preference, not a limit. */
  readonly batch: number;
  /** Number of token ids: valid ids are 0 … vocabularySize − 1. */
  readonly vocabularySize: number;
  /** `evict`: removal anywhere with positions closed up. */
  readonly reindex: Capability;
  /** `truncate`. */
  readonly truncate: Capability;
  /** `nll` and `decode` with `scoreFrom`. */
  readonly nll: Capability;
  /** Attention probabilities. */
  readonly attention: Capability;
  /** Cached keys. */
  readonly keys: Capability;
}

/** One run of sampling: seed, penalties and grammar live here. */
export interface Sampler {
  /** Draws a token from the pending position, and counts it as accepted. */
  sample(): Promise<number>;
  /** Frees what the sampler holds. */
  dispose(): void;
}

/**
 * What an engine must offer to be driven by policies. A backend holds cells 0 … length − 1, whose in-cache positions are
 * their indices, and one *pending* position: the prediction after the last decoded token.
 *
 * The pending position is valid from a `decode` until the next `decode`, `evict`, `truncate`, `clear` or `loadState`.
 * The stream never calls two methods at once, never decodes more than fits, and never passes an invalid range.
 */
export interface KVCacheBackend<Sampling = object> {
  /** What it offers. */
  readonly capabilities: BackendCapabilities;
  /**
   * Appends tokens, any number up to capacity − length, splitting by itself. Afterwards the pending position is the last
   * token's. With `scoreFrom` (at least 1) it answers the negative log-likelihoods, in nats, of tokens[scoreFrom …], each
   * given all before it.
   */
  decode(tokens: Uint32Array, options?: { readonly scoreFrom: number }): Promise<Float64Array | undefined>;
  /** Negative log-likelihood of a token at the pending position, in nats. Advances no sampler. */
  nll(target: number): Promise<number>;
  /** A sampler that reads the pending position of the moment. */
  createSampler(options?: Sampling): Sampler;
  /**
   * Removes cells, closes the gaps and gives the survivors their new positions, as one operation. Ranges are sorted and
   * disjoint, and may cover every cell.
   */
  evict(ranges: readonly CacheRange[]): Promise<void>;
  /** Drops the tail: `length` cells stay, at least one. */
  truncate(length: number): Promise<void>;
  /** Drops every cell. */
  clear(): Promise<void>;
  /** Frees the cache. */
  dispose(): Promise<void>;
  /** The cells as bytes. */
  saveState?(): Promise<Uint8Array>;
  /** Puts saved cells back in place of the present ones. */
  loadState?(state: Uint8Array): Promise<void>;
}

/** Turns tokens into text piece by piece. */
export interface TokenDecoder {
  /** The text that a token completes; empty while a character is unfinished. */
  push(token: number): string;
  /** The text of an unfinished character, if any. */
  flush(): string;
}

/** Text to tokens and back, in the model's own vocabulary. */
export interface TokenCodec {
  /** Tokens of a text, without a beginning-of-sequence token. */
  encode(text: string): ArrayLike<number>;
  /** Whether a token says that the generation is over. */
  isEndOfGeneration(token: number): boolean;
  /** A decoder for one run of generated tokens. */
  createDecoder(): TokenDecoder;
}
