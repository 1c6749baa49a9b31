import {
  buildStreamResults,
  formatNumber,
  matchMeanCells,
  readText,
  type Contender,
  type MatchMeanCellsOptions,
  type MeasuredModel,
  type StreamResults,
} from "@kvpolicy/bench";
import { KVPolicyError } from "@kvpolicy/core";

import { listenForInterruption } from "./interruption.js";
import { loadModel } from "./load-model.js";
import { loadText } from "./load-text.js";
import { createMeasuredModel } from "./measured-model.js";
import { choosePolicies } from "./policy-choices.js";
import { createProgressDisplay } from "./progress-display.js";
import { readableText } from "./readable-text.js";
import { ExitCode } from "./report-error.js";
import { ResultsDirectory } from "./results-directory.js";
import { printAndWrite } from "./run-experiment.js";
import type { StreamCommandOptions } from "./stream-options.js";
import { describeSurroundings } from "./surroundings.js";

/**
 * `kvpolicy stream`: reads a text under several policies side by side, shows how far it is, prints figures and writes them.
 *
 * `argv` is the command line, for the record.
 *
 * @returns The exit code.
 * @throws {KVPolicyError} for a text or a model that cannot be read.
 */
export async function runStream(options: StreamCommandOptions, argv: readonly string[]): Promise<number> {
  using interruption = listenForInterruption(() => {
    process.stderr.write("\nStopping after this step; once more to stop at once.\n");
  });
  const { signal } = interruption;
  try {
    const directory = await ResultsDirectory.open(options.out);
    const text = await loadText(options.text);
    await using loaded = await loadModel(options.model, { quiet: options.json, signal, gpu: options.gpu });
    const { name, sha256, tokens } = readableText(loaded, text, options.tokens);
    const model = createMeasuredModel(loaded.model, options);
    const { contenders, budget } = await createContenders(options, model, tokens, signal);
    const { columns, isTTY } = process.stderr;
    const display = createProgressDisplay({
      write: (drawn) => {
        if (!options.json) process.stderr.write(drawn);
      },
      columns: isTTY ? columns || 80 : undefined,
      budget,
      clock: () => performance.now(),
    });
    const measurement = await readText({
      tokens,
      contenders,
      budget,
      signal,
      residentBytes: () => process.memoryUsage.rss(),
      onProgress: (progress) => {
        display.update(progress);
      },
    });
    display.finish();
    const results = buildStreamResults(measurement, await describeSurroundings(argv, options, loaded), {
      text: { name, sha256 },
      seed: options.seed,
      meanCells: options.equal === "mean" ? options.budget : null,
    });
    await printAndWrite(results, directory, options);
    return exitCode(results, signal.aborted);
  } catch (error) {
    if (signal.aborted && error === signal.reason) return ExitCode.interrupted;
    throw error;
  }
}

/** Each policy with a stream, and so with a context, of its own, and the budget from which on every cache is full. */
async function createContenders(
  options: StreamCommandOptions,
  model: MeasuredModel,
  tokens: Uint32Array,
  signal: AbortSignal,
): Promise<{ readonly contenders: readonly Contender[]; readonly budget: number }> {
  const contenders: Contender[] = [];
  let largest = options.budget;
  for (const { name, create, cells } of choosePolicies(options.policies, model, tokens.length)) {
    const matched = await matchBudget(options, { tokens, create, signal });
    const policy = create(matched.budget);
    largest = Math.max(largest, matched.budget);
    contenders.push({
      name,
      policy,
      open: (onWarning) => {
        if (matched.warning !== undefined) onWarning(matched.warning);
        return model.open({ policy, budget: cells ?? matched.budget, onWarning });
      },
    });
  }
  return { contenders, budget: largest };
}

/** The budget of one policy, and what is to be known of it. */
async function matchBudget(
  { equal, budget }: StreamCommandOptions,
  task: Pick<MatchMeanCellsOptions, "tokens" | "create" | "signal">,
): Promise<{ readonly budget: number; readonly warning?: string }> {
  if (equal === "peak") return { budget };
  try {
    const matched = await matchMeanCells({ ...task, cells: budget });
    const isMatched = matched.cells === null || Math.abs(matched.cells - budget) <= 1;
    if (isMatched) return { budget: matched.budget };
    const seen = formatNumber(matched.cells);
    const warning = `With the text as short as it is, a token sees ${seen} cells on average, and not ${budget}.`;
    return { budget: matched.budget, warning };
  } catch (error) {
    // What cannot work becomes the row of this policy when its stream opens.
    if (KVPolicyError.isInstance(error)) return { budget };
    throw error;
  }
}

/** Some policies may fail and leave a comparison of the others; when none has read anything there is none. */
function exitCode({ policies }: StreamResults, interrupted: boolean): number {
  if (interrupted) return ExitCode.interrupted;
  return policies.every(({ status, tokens }) => status === "failed" && tokens === 0)
    ? ExitCode.badInput
    : ExitCode.success;
}
