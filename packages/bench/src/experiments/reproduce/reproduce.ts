import { KVPolicyError } from "@kvpolicy/core";

import type { ExperimentResults } from "../../results/results-file.js";
import type { ExperimentOptions } from "../experiment.js";
import { Found } from "./found.js";
import { PAPER_CLAIMS } from "./paper-claims.js";
import { PROJECT_TARGETS } from "./project-targets.js";
import type { ReproducedPart, ReproduceResults } from "./reproduce-results.js";

/** An experiment of the reproduction. */
export interface ReproductionPart {
  /** Its name. */
  readonly experiment: Exclude<ExperimentResults["experiment"], "reproduce">;
  /** Share of the time that it may take, relative to the others. */
  readonly weight: number;
  /** Why it is left out, if it is. */
  readonly leftOut?: string | undefined;
  /** Runs it, at a size that takes about so many minutes. */
  run(minutes: number, options: ExperimentOptions): Promise<ExperimentResults>;
}

/** Options of {@link reproduce}. */
export interface ReproduceOptions extends ExperimentOptions {
  /** The experiments, in the order in which they are run. */
  readonly parts: readonly ReproductionPart[];
  /** Minutes for all of them. What one does not need the later ones share. */
  readonly minutes: number;
  /** Budget of the experiments with one, for the record. */
  readonly budget: number;
  /** Stride of the experiments with one, for the record. */
  readonly stride: number;
  /** Seed of the experiments, for the record. */
  readonly seed: number;
  /** Called with the results of each experiment as soon as there are any, so that they are safe. */
  readonly onResults: (results: ExperimentResults) => Promise<void>;
}

/**
 * Runs the experiments one after the other, each at a size that fits its share of the time, and holds what they find against what the paper
 * says, row by row. An experiment that fails is a row of its own; the others go on.
 */
export async function reproduce(options: ReproduceOptions): Promise<ReproduceResults> {
  const {
    parts,
    minutes,
    budget,
    stride,
    seed,
    surroundings,
    signal,
    onProgress,
    clock = () => performance.now(),
  } = options;
  const { model, residentBytes } = options;
  const experimentOptions: ExperimentOptions = {
    model,
    surroundings,
    signal,
    clock: options.clock,
    residentBytes,
  };
  const start = clock();
  const found: ExperimentResults[] = [];
  const done: ReproducedPart[] = [];
  for (const [index, part] of parts.entries()) {
    const { experiment, leftOut } = part;
    if (signal?.aborted || leftOut !== undefined) {
      done.push({
        experiment,
        status: "left out",
        reason: leftOut ?? "The run was stopped.",
        milliseconds: 0,
      });
      continue;
    }
    const begun = clock();
    const left = Math.max(0.1, minutes - (begun - start) / 60_000);
    const share = left * (part.weight / weightOf(parts.slice(index)));
    let results: ExperimentResults;
    try {
      results = await part.run(share, {
        ...experimentOptions,
        onProgress:
          onProgress &&
          (({ what, done: read, total }) => {
            const elapsed = begun - start + share * 60_000 * Math.min(1, total > 0 ? read / total : 0);
            const planned = Math.max(minutes * 60_000, clock() - start);
            onProgress({ what: `${experiment}: ${what}`, done: elapsed, total: planned });
          }),
      });
    } catch (error) {
      if (!KVPolicyError.isInstance(error)) throw error;
      done.push({ experiment, status: "failed", reason: error.message, milliseconds: clock() - begun });
      continue;
    }
    found.push(results);
    done.push({
      experiment,
      status: results.partial ? "partial" : "done",
      reason: null,
      milliseconds: clock() - begun,
    });
    // What cannot be written ends the run: nothing that comes later would be safe either.
    await options.onResults(results);
  }
  return {
    ...surroundings,
    experiment: "reproduce",
    partial: signal?.aborted === true,
    milliseconds: clock() - start,
    settings: { minutes, seed, budget, stride },
    parts: done,
    ...judgeResults(found),
  };
}

/** Holds what was found on one model against what the paper says, and against what this project wants to be true. */
function judgeResults(experiments: readonly ExperimentResults[]): Pick<ReproduceResults, "rows" | "targets"> {
  const found = new Found(experiments);
  return {
    rows: PAPER_CLAIMS.map(({ judge, ...claim }) => ({ ...claim, ...judge(found) })),
    targets: PROJECT_TARGETS.map(({ judge, ...target }) => ({ ...target, ...judge(found) })),
  };
}

function weightOf(parts: readonly ReproductionPart[]): number {
  return parts.filter(({ leftOut }) => leftOut === undefined).reduce((sum, { weight }) => sum + weight, 0);
}
