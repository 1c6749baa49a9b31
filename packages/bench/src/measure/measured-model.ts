import type { CacheStream, KVCachePolicy } from "@kvpolicy/core";

/** A stream under measurement. */
export interface MeasuredStream extends CacheStream<MeasuredSampling> {
  /** Bytes that the engine allocated for this stream's context, where it tells. */
  readonly contextBytes?: number | undefined;
}

/** Sampling options that experiments use: the likeliest token only. */
export interface MeasuredSampling {
  /** 0 takes the likeliest token. */
  readonly temperature?: number | undefined;
}

/** How a stream of a model under measurement is opened. */
export interface OpenMeasuredOptions {
  /** Which tokens stay. */
  readonly policy: KVCachePolicy;
  /** Most cells in use. */
  readonly budget: number;
  /** Whether the stream begins with the model's beginning-of-sequence token. Defaults to what the model wants. */
  readonly bos?: boolean | undefined;
  /** Told of what works but may surprise. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * A model under measurement, whatever engine runs it. Types of keys and values, threads and device are the maker's choice, the same
 * for every stream.
 */
export interface MeasuredModel {
  /** Beginning-of-sequence token that opens a stream unless told otherwise; undefined for none. */
  readonly bos: number | undefined;
  /** Positions that the model was trained on; undefined where nothing tells. */
  readonly trainedLength: number | undefined;
  /** The tokens of a text, without a beginning-of-sequence token. */
  encode(text: string): Uint32Array;
  /** Token ids whose text, alone, is wanted. */
  findTokens(isWanted: (text: string) => boolean): readonly number[];
  /** Opens an empty stream on an engine state of its own. */
  open(options: OpenMeasuredOptions): Promise<MeasuredStream>;
}
