import type { ExperimentResults } from "../../results/results-file.js";

/** Results of the experiments on one model, by name. */
export class Found {
  readonly #experiments: readonly ExperimentResults[];

  /** Of several results of one experiment the first counts. */
  constructor(experiments: readonly ExperimentResults[]) {
    this.#experiments = experiments;
  }

  /** The results of an experiment, if it was run. */
  of<Name extends ExperimentResults["experiment"]>(
    name: Name,
  ): Extract<ExperimentResults, { experiment: Name }> | undefined {
    return this.#experiments.find(
      (results): results is Extract<ExperimentResults, { experiment: Name }> => results.experiment === name,
    );
  }
}
