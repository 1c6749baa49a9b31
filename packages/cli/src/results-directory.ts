import { access, constants, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import {
  addResults,
  parseResults,
  renderReport,
  type ExperimentResults,
  type ResultsFile,
} from "@kvpolicy/bench";
import { KVPolicyError } from "@kvpolicy/core";

import { badOption } from "./report-error.js";

/** A directory that gathers the results of experiments, and a report of them all. */
export class ResultsDirectory {
  /** The file of the results. */
  readonly resultsFile: string;
  /** The file of the report. */
  readonly reportFile: string;
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
    this.resultsFile = join(path, "results.json");
    this.reportFile = join(path, "report.html");
  }

  /**
   * Makes the directory, or goes on with what lies in it: before an hour of measuring, not after it.
   *
   * @throws {KVPolicyError} `config` when it cannot be written to, or what lies in it are no results of this version.
   */
  static async open(path: string): Promise<ResultsDirectory> {
    try {
      await mkdir(path, { recursive: true });
      await access(path, constants.W_OK);
    } catch (cause) {
      throw cannotWrite(path, cause);
    }
    await readResults(path);
    return new ResultsDirectory(path);
  }

  /**
   * Writes the results of one more experiment, in place of those of the same experiment on the same model, and the report anew. Each file is
   * the old one or the new one, whole, whatever happens; the results come first, so that no report costs them.
   *
   * @returns Whether they were written: partial results do not replace complete ones.
   * @throws {KVPolicyError} `config` when the disk is full or a file cannot be written; it stays as it was.
   */
  async add(results: ExperimentResults): Promise<boolean> {
    // Another command may have added something in the meantime.
    const before = await readResults(this.#path);
    const file = addResults(before, results);
    if (file === before) return false;
    await this.#replace(this.resultsFile, `${JSON.stringify(file, undefined, 2)}\n`);
    await this.#replace(this.reportFile, await renderReport(file));
    return true;
  }

  async #replace(file: string, content: string): Promise<void> {
    try {
      await replaceFile(file, content);
    } catch (cause) {
      throw cannotWrite(this.#path, cause, file);
    }
  }
}

async function readResults(path: string): Promise<ResultsFile | undefined> {
  const name = join(path, "results.json");
  let text: string;
  try {
    text = await readFile(name, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw badOption("out", path, `${name} cannot be read: ${String(cause)}.`, cause);
  }
  try {
    return parseResults(JSON.parse(text));
  } catch (cause) {
    const reason = KVPolicyError.isInstance(cause) ? cause.message : `It is no JSON: ${String(cause)}.`;
    throw badOption(
      "out",
      path,
      `${name} would be overwritten, and is none of ours. ${reason} Move it away, or name another directory.`,
      cause,
    );
  }
}

async function replaceFile(path: string, content: string): Promise<void> {
  // Another command may write beside this one.
  const temporary = `${path}.${process.pid}.new`;
  try {
    await writeFile(temporary, content, { flush: true });
    await rename(temporary, path);
  } catch (cause) {
    // Why it could not be written is what counts, not that it cannot be removed.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw cause;
  }
}

function cannotWrite(directory: string, cause: unknown, file = directory): Error {
  const code = (cause as NodeJS.ErrnoException).code;
  const reason = code === "ENOSPC" ? "the disk is full" : String(cause);
  const message = `The results cannot be written to ${file}: ${reason}. No file there is damaged.`;
  return badOption("out", directory, message, cause);
}
