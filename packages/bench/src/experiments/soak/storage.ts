import type { MeasuredStream, OpenMeasuredOptions } from "../../measure/measured-model.js";

/** Where a soak is kept safe, so that it goes on after an interruption. */
export interface SoakStorage {
  /** Tokens between two saves. */
  readonly every: number;
  /**
   * Opens the stream as it was saved last, or an empty one when nothing was saved.
   *
   * @throws {KVPolicyError} `config` when what was saved cannot be read or does not fit.
   */
  open(options: OpenMeasuredOptions): Promise<StoredStream>;
}

/** A stream that can be saved. */
export interface StoredStream {
  /** The stream. */
  readonly stream: MeasuredStream;
  /** The state that was saved with it, not checked; undefined for an empty stream. */
  readonly saved: unknown;
  /**
   * Saves the stream and the state in one piece: a kill at any moment leaves what was saved before or this, whole.
   *
   * @param state - Plain data, as JSON can hold it.
   */
  save(state: unknown): Promise<void>;
}
