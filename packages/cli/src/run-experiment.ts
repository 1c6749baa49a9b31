import { addResults, renderTerminal, type ExperimentResults } from "@kvpolicy/bench";
import picocolors from "picocolors";

import { parseCommonOptions } from "./common-options.js";
import type { ExperimentCommand } from "./experiment-command.js";
import { createExperimentProgress } from "./experiment-progress.js";
import { listenForInterruption } from "./interruption.js";
import { loadModel } from "./load-model.js";
import { createMeasuredModel } from "./measured-model.js";
import { ExitCode } from "./report-error.js";
import { ResultsDirectory } from "./results-directory.js";
import { describeSurroundings } from "./surroundings.js";

/**
 * Runs an experiment from the command line: checks its options, loads the model, shows how far it is, prints what it found and writes it.
 *
 * `raw` are the options as commander parsed them, `argv` the command line for the record.
 *
 * @returns The exit code: 130 after Ctrl-C, with what was measured by then written and marked as partial.
 * @throws {KVPolicyError} for options, files or a model that cannot work.
 */
export async function runExperiment(
  command: ExperimentCommand,
  raw: unknown,
  argv: readonly string[],
): Promise<number> {
  const common = parseCommonOptions(raw, process.env);
  const experiment = await command.prepare(raw, common);
  using interruption = listenForInterruption(() => {
    process.stderr.write("\nStopping after this step; once more to stop at once.\n");
  });
  const { signal } = interruption;
  try {
    const directory = await ResultsDirectory.open(common.out);
    await using loaded = await loadModel(common.model, { quiet: common.json, signal, gpu: common.gpu });
    const { columns, isTTY } = process.stderr;
    const progress = createExperimentProgress({
      name: command.name,
      write: (text) => {
        if (!common.json) process.stderr.write(text);
      },
      columns: isTTY ? columns || 80 : undefined,
      clock: () => performance.now(),
    });
    const results = await experiment({
      loaded,
      common,
      model: createMeasuredModel(loaded.model, common),
      surroundings: await describeSurroundings(argv, common, loaded),
      signal,
      residentBytes: () => process.memoryUsage.rss(),
      onProgress: (news) => {
        progress.update(news);
      },
      save: (part) => directory.add(part),
    });
    progress.finish();
    await printAndWrite(results, directory, common);
    return signal.aborted ? ExitCode.interrupted : ExitCode.success;
  } catch (error) {
    if (signal.aborted && error === signal.reason) return ExitCode.interrupted;
    throw error;
  }
}

/** Prints what an experiment found, and writes it: a disk that is full by then loses no figure that took an hour. */
export async function printAndWrite(
  results: ExperimentResults,
  directory: ResultsDirectory,
  { json }: { readonly json: boolean },
): Promise<void> {
  if (json) {
    process.stdout.write(`${JSON.stringify(addResults(undefined, results))}\n`);
    await directory.add(results);
    return;
  }
  const colors = picocolors.isColorSupported && process.stdout.isTTY;
  const width = Math.min(120, process.stdout.columns || 100);
  process.stdout.write(`\n${renderTerminal(results, { width, colors })}\n`);
  await directory.add(results);
  process.stdout.write(`\nWritten: ${directory.resultsFile}, ${directory.reportFile}\n`);
}
