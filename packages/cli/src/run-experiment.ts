import { addResults, renderTerminal, type ExperimentResults } from "@kvpolicy/bench";
import picocolors from "picocolors";

import { parseCommonOptions, type CommonOptions } from "./common-options.js";
import type { ExperimentCommand, Laboratory } from "./experiment-command.js";
import { createExperimentProgress } from "./experiment-progress.js";
import { hasMeasured } from "./has-measured.js";
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
 * @returns The exit code: 130 after Ctrl-C, with what was measured by then written and marked as partial; 2 when nothing could be measured,
 * for reasons that the results name.
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
    const surroundings = await describeSurroundings(argv, common, loaded);
    const results = await showProgress(command.name, common, (onProgress) =>
      experiment({
        loaded,
        common,
        model: createMeasuredModel(loaded.model, common),
        surroundings,
        signal,
        residentBytes: () => process.memoryUsage.rss(),
        onProgress,
        save: async (part) => {
          await directory.add(part);
        },
      }),
    );
    await printAndWrite(results, directory, common);
    if (signal.aborted) return ExitCode.interrupted;
    return hasMeasured(results) ? ExitCode.success : ExitCode.badInput;
  } catch (error) {
    if (signal.aborted && error === signal.reason) return ExitCode.interrupted;
    throw error;
  }
}

/** Shows on standard error how far an experiment is, and clears that however it ends. */
async function showProgress(
  name: string,
  { json }: Pick<CommonOptions, "json">,
  run: (onProgress: NonNullable<Laboratory["onProgress"]>) => Promise<ExperimentResults>,
): Promise<ExperimentResults> {
  const { columns, isTTY } = process.stderr;
  const progress = createExperimentProgress({
    name,
    write: (text) => {
      if (!json) process.stderr.write(text);
    },
    columns: isTTY ? columns || 80 : undefined,
    clock: () => performance.now(),
  });
  try {
    return await run((news) => {
      progress.update(news);
    });
  } finally {
    progress.finish();
  }
}

/**
 * Prints what an experiment found, and writes it. Neither waits for the other to succeed: a disk that is full by then loses no figure that
 * took an hour, nor does one that cannot be printed.
 */
export async function printAndWrite(
  results: ExperimentResults,
  directory: Pick<ResultsDirectory, "add" | "resultsFile" | "reportFile">,
  { json }: Pick<CommonOptions, "json">,
): Promise<void> {
  try {
    process.stdout.write(json ? toJson(results) : renderForTerminal(results));
  } finally {
    const { resultsFile, reportFile } = directory;
    if (!(await directory.add(results)))
      process.stderr.write(`Not written: ${resultsFile} has complete results of this experiment.\n`);
    else if (!json) process.stdout.write(`\nWritten: ${resultsFile}, ${reportFile}\n`);
  }
}

function toJson(results: ExperimentResults): string {
  return `${JSON.stringify(addResults(undefined, results))}\n`;
}

function renderForTerminal(results: ExperimentResults): string {
  const colors = picocolors.isColorSupported && process.stdout.isTTY;
  const width = Math.min(120, process.stdout.columns || 100);
  return `\n${renderTerminal(results, { width, colors })}\n`;
}
