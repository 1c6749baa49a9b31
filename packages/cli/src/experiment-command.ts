import type { ExperimentOptions, ExperimentResults } from "@kvpolicy/bench";
import type { Option } from "commander";

import type { LoadedModel } from "./load-model.js";
import type { CommonOptions } from "./common-options.js";

/** Where an experiment is run. */
export interface Laboratory extends ExperimentOptions {
  /** The loaded model, for what only llama.cpp can tell. */
  readonly loaded: LoadedModel;
  /** The options that all experiments share. */
  readonly common: CommonOptions;
  /** Writes results of a part of the experiment at once, so that they are safe. */
  readonly save: (results: ExperimentResults) => Promise<void>;
}

/** A sub-command of `kvpolicy` that runs one experiment. */
export interface ExperimentCommand {
  /** Its name. */
  readonly name: string;
  /** What it answers, in a sentence. */
  readonly description: string;
  /** Its options beside the common ones. */
  readonly options: readonly Option[];
  /**
   * Checks its own options, as commander parsed them, before anything is loaded. The answer runs the experiment.
   *
   * @throws {KVPolicyError} `config`, with the option's name, for the first that cannot work.
   */
  prepare(
    raw: unknown,
    common: CommonOptions,
  ): Promise<(laboratory: Laboratory) => Promise<ExperimentResults>>;
}
