import { createHash } from "node:crypto";

/** Where the seeds of a stream have got to: plain data. */
export interface SeedState {
  /** The stream's own seed. */
  readonly seed: number;
  /** Stream position at which the latest `generate` began, −1 when there was none. */
  readonly position: number;
  /** How many had begun there before it. */
  readonly repeats: number;
}

/** llama.cpp takes its largest number for "any seed". */
const SEEDS = 2 ** 32 - 1;

/**
 * A seed for each `generate`, from the stream's own seed and the stream position at which it begins, so that a restored stream draws
 * what the uninterrupted one would have. Beginning once more at the same position, after going back, counts up: a second answer to the
 * same question may differ.
 */
export class SamplingSeeds {
  #state: SeedState;

  constructor(state: SeedState) {
    this.#state = state;
  }

  get state(): SeedState {
    return this.#state;
  }

  /** The seed of a `generate` that begins at a stream position. */
  next(position: number): number {
    const { seed, position: last, repeats } = this.#state;
    this.#state = { seed, position, repeats: position === last ? repeats + 1 : 0 };
    const digest = createHash("sha256").update(`${seed} ${position} ${this.#state.repeats}`).digest();
    return digest.readUInt32LE() % SEEDS;
  }
}
