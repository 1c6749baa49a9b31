import type { KVCacheBackend, TokenCodec } from "./backend.js";
import type { EvictionPlan, KVCachePolicy, PolicyDescription } from "./policy.js";
import type { CacheRange } from "./range.js";
import type { Mark } from "./mark.js";

/** Options of {@link createStream}. */
export interface StreamOptions<Sampling = object> {
  /** The engine. The stream owns it from now on and disposes it. */
  readonly backend: KVCacheBackend<Sampling>;
  /** Which tokens stay. */
  readonly policy: KVCachePolicy;
  /**
   * Most cells in use, the current token's included. Defaults to the policy's own budget, else to the backend's capacity.
   * It is an error when this and the policy's own budget differ.
   */
  readonly budget?: number | undefined;
  /** Beginning-of-sequence token that opens the stream (and opens it again after `clear`), marked `bos`. Defaults to none. */
  readonly bos?: number | undefined;
  /** Text to tokens and back. Without it `appendText` is unsupported, `generate` yields no text and never meets an end token. */
  readonly codec?: TokenCodec | undefined;
}

/** Options of the calls that append. */
export interface AppendOptions {
  /** Stops between two steps. The call rejects with `signal.reason`; what was appended stays, the rest can be appended later. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each step with the tokens of this call that are now in the cache. */
  readonly onStep?: ((appended: number) => void) | undefined;
}

/** Options of `score`. */
export interface ScoreOptions extends AppendOptions {
  /** Where to write the values, at least as long as the tokens: keeps what was measured when the call is aborted. */
  readonly into?: Float64Array | undefined;
}

/** Options of `generate`, beside the backend's sampling options. */
export interface GenerateOptions {
  /** Most tokens to generate. Defaults to no limit. */
  readonly maxTokens?: number | undefined;
  /** Stops between two tokens. The generator rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** One generated token. */
export interface GeneratedToken {
  /** Token id. */
  readonly token: number;
  /** Its stream position. */
  readonly position: number;
  /** The text that it completes; empty while a character is unfinished, and without a codec. */
  readonly text: string;
}

/** Why a generation is over. */
export interface GenerationEnd {
  /** `end`: the model said so. `length`: `maxTokens` was reached. */
  readonly reason: "end" | "length";
  /** What is left of a character that the last tokens began and did not finish. */
  readonly text: string;
}

/** Counters of a stream since it was opened. */
export interface StreamStats {
  /** Tokens of the stream that were decoded, a token twice when it was decoded again after going back; evaluations of survivors are not in it. */
  readonly tokens: number;
  /** Sum over those tokens of the cells that each could see, its own included. Divided by `tokens` it is the mean cache length. */
  readonly cellsSeen: number;
  /** Most cells ever in use. */
  readonly peakCells: number;
  /** Evictions. */
  readonly evictions: number;
  /** Tokens evicted. */
  readonly evictedTokens: number;
  /** Survivors that were evaluated again. */
  readonly recomputedTokens: number;
}

/** One eviction, told after it happened. */
export interface EvictionEvent {
  /** Name of the policy. */
  readonly policy: string;
  /** Why: the cache was full and more tokens were to come. */
  readonly reason: "cache-full";
  /** What left, in the cache indices of before. */
  readonly ranges: readonly CacheRange[];
  /** The tokens that left. */
  readonly tokens: Uint32Array;
  /** Their stream positions. */
  readonly positions: Float64Array;
  /** What became of the survivors. */
  readonly survivors: EvictionPlan["survivors"];
  /** Stream position of the token that needed the room. */
  readonly position: number;
  /** What the policy says of this very eviction, if anything: that a turn had to be cut, say. */
  readonly note?: string;
}

/** Everything that a stream is, as data that can be cloned and stored. */
export interface Snapshot {
  /** Version of this format. */
  readonly version: 1;
  /** The policy of the stream it was taken of. */
  readonly policy: PolicyDescription;
  /** The budget of the stream it was taken of. */
  readonly budget: number;
  /** Stream position. */
  readonly position: number;
  /** Token ids of the cells. */
  readonly tokens: Uint32Array;
  /** Stream positions of the cells. */
  readonly positions: Float64Array;
  /** Negative log-likelihoods of the cells' tokens, when the policy requires them. */
  readonly nlls: Float64Array | null;
  /** Marks in stream positions. */
  readonly marks: readonly Mark[];
  /** The token that belongs to the stream and is not decoded yet, with its negative log-likelihood. */
  readonly held: { readonly token: number; readonly position: number; readonly nll: number } | null;
  /** Stream position of the token that needed the latest eviction, −1 when there was none. */
  readonly lastEviction: number;
  /** The backend's cells. */
  readonly state: Uint8Array;
}

/**
 * An unbounded stream of tokens over a bounded cache: one policy bound to one backend.
 *
 * The stream fills every free cell before it asks the policy, so which cells live depends on the tokens and marks alone,
 * never on how they were cut into calls. Calls may overlap: they run in call order. `generate` takes its turn per token, so
 * appending between two of its tokens is fine.
 *
 * It does not extend what the model can remember: evicted text is gone.
 */
export interface CacheStream<Sampling = object> {
  /** Tokens in the stream so far, evicted ones and the held one included: the stream position of the next token. */
  readonly position: number;
  /** Cells in use. */
  readonly length: number;
  /** Most cells that may be in use. */
  readonly budget: number;
  /** The policy that decides. */
  readonly policy: KVCachePolicy;
  /** Counters since the stream was opened. */
  readonly stats: StreamStats;
  /** Token ids and stream positions of the cells in use, copied. */
  cells(): { readonly tokens: Uint32Array; readonly positions: Float64Array };
  /**
   * Appends tokens.
   *
   * @throws {KVPolicyError} `range` for a token outside the vocabulary (nothing is appended), `cache-full`, `invalid-plan`,
   * `backend-failed`, `broken`, `disposed`.
   */
  append(tokens: ArrayLike<number>, options?: AppendOptions): Promise<void>;
  /** Encodes a text on its own and appends it. Throws as `append`, and `unsupported` without a codec. */
  appendText(text: string, options?: AppendOptions): Promise<void>;
  /**
   * Appends tokens and answers the negative log-likelihood (nats) of each given what the cache held when it was read. The
   * very first of a stream is NaN: nothing predicts it. Throws as `append`, and `unsupported` when the backend has no `nll`.
   */
  score(tokens: ArrayLike<number>, options?: ScoreOptions): Promise<Float64Array>;
  /**
   * Generates tokens, each of which belongs to the stream as soon as it is yielded. Tokens that end the generation are
   * neither yielded nor appended. Throws as `append`, and `empty` when there is nothing to predict from.
   */
  generate(options?: GenerateOptions & Sampling): AsyncGenerator<GeneratedToken, GenerationEnd, undefined>;
  /**
   * Names a range of stream positions, future ones allowed. `pinned` ranges make a plan that touches them invalid.
   *
   * @throws {KVPolicyError} `range` for bounds that are no range of positions, `evicted` when every token of it has left, `config`
   * when so much would be pinned that the policy could let nothing leave. The mark is not set then.
   */
  mark(name: string, range: CacheRange): void;
  /**
   * Goes back to a stream position: every token and mark from there on is forgotten. `exact` is false when something was
   * evicted since that position, so that this is no undo. Going back to the beginning is the same as `clear`.
   *
   * @throws {KVPolicyError} `range`, or `unsupported` when the backend cannot truncate.
   */
  truncate(position: number): Promise<{ readonly exact: boolean }>;
  /** Back to the empty stream; also mends a broken one. Counters go on. */
  clear(): Promise<void>;
  /** Everything that this stream is. Throws `unsupported` when the backend cannot save. */
  snapshot(): Promise<Snapshot>;
  /**
   * Becomes what the snapshot was; it may be of a stream with another policy. Throws `config` when it does not fit this stream
   * or the backend, which leaves both as they were, and `unsupported` when the backend cannot load.
   */
  restore(snapshot: Snapshot): Promise<void>;
  /**
   * Calls a listener after each eviction. The answer takes it off again. What a listener throws, the call under way rejects
   * with, between two steps: what was appended stays.
   */
  onEvict(listener: (event: EvictionEvent) => void): () => void;
  /** Stops the call under way after its step, which rejects it with `disposed`, and frees the backend. */
  dispose(): Promise<void>;
  /** The same as `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
