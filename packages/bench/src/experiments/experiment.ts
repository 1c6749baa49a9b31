import type { MeasuredModel } from "../measure/measured-model.js";
import type { Surroundings } from "../results/header.js";

/** What every experiment takes beside what is its own. */
export interface ExperimentOptions {
  /** The model under measurement. */
  readonly model: MeasuredModel;
  /** Where and with what is measured, for the record. */
  readonly surroundings: Surroundings;
  /** Stops between two steps; what was measured is kept, and marked as partial. */
  readonly signal?: AbortSignal | undefined;
  /** Tells the time in milliseconds, from any start. Defaults to `performance.now`. */
  readonly clock?: (() => number) | undefined;
  /** Tells the memory that the process holds, in bytes. Defaults to none. */
  readonly residentBytes?: (() => number) | undefined;
  /** Called now and then. */
  readonly onProgress?: ((progress: ExperimentProgress) => void) | undefined;
}

/** How far an experiment is. */
export interface ExperimentProgress {
  /** What it is at, in a few words. */
  readonly what: string;
  /** Work done so far, in any unit that takes about as long each. */
  readonly done: number;
  /** All the work, in the same unit, as far as is known by now. */
  readonly total: number;
}
