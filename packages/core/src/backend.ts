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
  /**
   * Draws a token from the pending position, and counts it as accepted. Other samplers do not notice.
   *
   * @throws {KVPolicyError} `disposed` after its own or the backend's `dispose`, `empty` when nothing is pending.
   */
  sample(): Promise<number>;
  /** Frees what the sampler holds. */
  dispose(): void;
}

/**
 * What an engine must offer to be driven by policies. A backend holds cells 0 … length − 1, whose in-cache positions are
 * their indices, and one *pending* position: the prediction after the last decoded token.
 *
 * The pending position is valid from a `decode` until the next `decode`, `evict`, `truncate`, `clear` or `loadState`.
 *
 * One caller drives it, one method at a time. What cannot be done is refused with a `KVPolicyError` before anything is
 * touched: the cells are what they were, and a pending position that was valid still is. `range` for a number outside what
 * it may be, `empty` for a read when nothing is pending, `unsupported` for what a capability says is lacking, `disposed` for
 * every call after `dispose`. Where several apply, `disposed` comes first, then `unsupported`, `range` or `config`, and `empty`.
 * The functions `checkDecode`, `checkEviction`, `checkTruncation`, `checkToken`, `checkSupported`, `nothingPending`,
 * `disposedBackend` and `disposedSampler` are these refusals.
 */
export interface KVCacheBackend<Sampling = object> {
  /** What it offers. */
  readonly capabilities: BackendCapabilities;
  /**
   * Appends tokens, any number up to capacity − length, splitting by itself. Afterwards the pending position is the last
   * token's. With `scoreFrom` (1 … tokens.length − 1) it answers the negative log-likelihoods, in nats, of
   * tokens[scoreFrom …], each given all before it. The tokens stay the caller's: they are neither kept, changed nor
   * transferred.
   *
   * @throws {KVPolicyError} `range` for no tokens, more than fit (`value` is the cells that it would take, `maximum` the
   * capacity), a token outside the vocabulary or a `scoreFrom` that is not a whole number in its bounds; `unsupported` for
   * scores without the capability `nll`; `disposed`. Nothing is changed.
   */
  decode(tokens: Uint32Array, options?: { readonly scoreFrom: number }): Promise<Float64Array | undefined>;
  /**
   * Negative log-likelihood of a token at the pending position, in nats. May be asked again and again; advances no sampler.
   *
   * @throws {KVPolicyError} `empty` when nothing is pending, `range` for a token outside the vocabulary, `unsupported`,
   * `disposed`.
   */
  nll(target: number): Promise<number>;
  /**
   * A sampler that reads the pending position of the moment: its `sample` refuses with `empty` when nothing is pending, and
   * with `disposed` after its own or the backend's `dispose`.
   *
   * @throws {KVPolicyError} `disposed`; a backend may refuse options with `config`.
   */
  createSampler(options?: Sampling): Sampler;
  /**
   * Removes cells, closes the gaps and gives the survivors their new positions, as one operation. Ranges are sorted and
   * disjoint, and may cover every cell. No ranges remove no cell, of an empty cache either; the pending position is gone all
   * the same.
   *
   * @throws {KVPolicyError} `range` for ranges that are not sorted, disjoint, not empty and inside the cells in use;
   * `unsupported` without the capability `reindex`; `disposed`. Nothing is changed.
   */
  evict(ranges: readonly CacheRange[]): Promise<void>;
  /**
   * Drops the tail: `length` cells stay, at least one.
   *
   * @throws {KVPolicyError} `range` when `length` is not a whole number between 1 and the cells in use; `unsupported`;
   * `disposed`. Nothing is changed.
   */
  truncate(length: number): Promise<void>;
  /**
   * Drops every cell.
   *
   * @throws {KVPolicyError} `disposed`.
   */
  clear(): Promise<void>;
  /** Frees the cache. A second call does nothing. */
  dispose(): Promise<void>;
  /**
   * The cells as bytes. The pending position stays valid, and is not part of them.
   *
   * @throws {KVPolicyError} `disposed`.
   */
  saveState?(): Promise<Uint8Array>;
  /**
   * Puts saved cells back in place of the present ones. Nothing is pending then. The bytes stay the caller's: they may be loaded
   * again.
   *
   * @throws {KVPolicyError} `config` for bytes that are no saved cells, are of another model, or do not fit the capacity;
   * `disposed`. Nothing is changed.
   */
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
