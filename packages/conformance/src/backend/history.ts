import type { KVCacheBackend } from "@kvpolicy/core";

import { demand } from "../breach.js";
import { distance, predictionError } from "../prediction-error.js";
import { recordTrace, type TraceRecorder } from "../trace.js";
import type { Workbench } from "./workbench.js";

/** What the backend predicted after a row. */
interface Prediction {
  readonly row: number;
  readonly logProbabilities: Float64Array;
}

/** What the backend said of the token that came after a row. */
interface Score {
  readonly row: number;
  readonly token: number;
  readonly nll: number;
}

/** Everything that is done to a backend and read from it, to be compared with the oracle at the end. */
export class History {
  /** The backend. Cells are evicted, truncated and cleared through it. */
  readonly backend: KVCacheBackend<unknown>;
  readonly #workbench: Workbench;
  readonly #recorder: TraceRecorder<unknown>;
  readonly #seed: number;
  readonly #predictions: Prediction[] = [];
  readonly #scores: Score[] = [];
  #decoded = 0;

  constructor(workbench: Workbench, backend: KVCacheBackend<unknown>, seed = 0) {
    this.#workbench = workbench;
    this.#recorder = recordTrace(backend);
    this.backend = this.#recorder.backend;
    this.#seed = seed;
  }

  /** Cells in use. */
  get length(): number {
    return this.#recorder.cells().length;
  }

  /** Decodes the next tokens of a random text, `scored` with the likelihoods of all but the first, and reads what comes next. */
  async decode(count: number, { scored = false, read = true } = {}): Promise<void> {
    const firstRow = this.#decoded;
    this.#decoded += count;
    const tokens = this.#workbench.text(this.backend, this.#decoded, { start: firstRow, seed: this.#seed });
    const isScored = scored && count > 1;
    const nlls = await this.backend.decode(tokens, isScored ? { scoreFrom: 1 } : undefined);
    if (isScored) {
      demand(nlls?.length === count - 1, `decode answered ${nlls?.length ?? 0} scores of ${count - 1}`);
      nlls.forEach((nll, index) => {
        this.#scores.push({ row: firstRow + index, token: tokens[index + 1] ?? 0, nll });
      });
    }
    if (!read) return;
    const logProbabilities = await this.#workbench.predict(this.backend);
    this.#predictions.push({ row: this.#decoded - 1, logProbabilities });
  }

  /**
   * Compares everything that was read with the oracle.
   *
   * @returns the errors of the predictions, in order
   * @throws {Breach} when a prediction or a score is too far from the oracle's.
   */
  async demandOracle(): Promise<number[]> {
    const { oracle } = this.#workbench.subject;
    demand(oracle !== undefined, "it takes an oracle");
    const rows = [...new Set([...this.#predictions, ...this.#scores].map(({ row }) => row))].sort(
      (first, second) => first - second,
    );
    const answers = await oracle(this.#recorder.trace(), rows);
    const expected = new Map(rows.map((row, index) => [row, answers[index] ?? new Float64Array()]));
    const { tolerance } = this.#workbench;
    for (const { row, token, nll } of this.#scores) {
      const error = distance(-nll, expected.get(row)?.[token] ?? NaN);
      this.#workbench.demandWithin(error, tolerance.nll, `the error in nats of the score after row ${row}`);
    }
    const probes = this.#workbench.probes(this.backend);
    return this.#predictions.map(({ row, logProbabilities }) => {
      const error = predictionError(
        logProbabilities,
        probes.map((token) => expected.get(row)?.[token] ?? NaN),
      );
      this.#workbench.demandWithin(error, tolerance.logits, `the error of the prediction after row ${row}`);
      return error;
    });
  }
}
