import type { CacheStream, KVCachePolicy } from "@kvpolicy/core";

/** What measuring needs of a stream. */
export interface MeasuredStream extends Pick<
  CacheStream,
  "position" | "length" | "budget" | "stats" | "score" | "dispose"
> {
  /** Bytes that the engine allocated for this stream's context, where it tells. */
  readonly contextBytes?: number | undefined;
}

/** One policy in a comparison. */
export interface Contender {
  /** Its name in tables and charts; two of a comparison differ. */
  readonly name: string;
  /** The policy. */
  readonly policy: KVCachePolicy;
  /**
   * Opens an empty stream of its own, on an engine state that no other contender shares. A `KVPolicyError` becomes the row of
   * this contender, and the others go on.
   */
  open(onWarning: (message: string) => void): Promise<MeasuredStream>;
}
