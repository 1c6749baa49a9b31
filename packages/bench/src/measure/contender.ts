import type { CacheStream, KVCachePolicy } from "@kvpolicy/core";

/** What measuring needs of a stream. */
export interface ReadStream extends Pick<
  CacheStream,
  "position" | "length" | "budget" | "stats" | "score" | "dispose"
> {
  /** Bytes that the engine allocated for this stream's context, where it tells. */
  readonly contextBytes?: number | undefined;
}

/** Other tokens at the beginning of a text. */
export interface TextHead {
  /** The tokens that are read instead. */
  readonly tokens: ArrayLike<number>;
  /**
   * First tokens of the text that they replace, at most as many as there are `tokens`. The last ones of `tokens` stand at the
   * stream positions of these; where there are more, those before them are put in front, in place of a beginning-of-sequence token
   * say, and belong to no figure.
   */
  readonly replaces: number;
}

/** One policy in a comparison. */
export interface Contender {
  /** Its name in tables and charts; two of a comparison differ. */
  readonly name: string;
  /** The policy. */
  readonly policy: KVCachePolicy;
  /**
   * Tokens that this contender alone reads in place of the first ones of the text: the likelihoods are of what is read. They end
   * before the cache is full, so figures "once the cache is full" are over the tokens of the others. Defaults to none.
   *
   * Figures are compared by stream position: the row fails with `config` when the text behind a head stands elsewhere than in the
   * streams without one.
   */
  readonly head?: TextHead | undefined;
  /**
   * Opens an empty stream of its own, on an engine state that no other contender shares. A `KVPolicyError` becomes the row of
   * this contender, and the others go on.
   */
  open(onWarning: (message: string) => void): Promise<ReadStream>;
}
