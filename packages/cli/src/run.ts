import { CommanderError } from "commander";

import { createProgram } from "./program.js";
import { exitCodeOf, explainError, ExitCode } from "./report-error.js";

/**
 * Runs the command line.
 *
 * @param argv - As `process.argv`: the program and the script come first.
 * @returns The exit code: 0; 2 for input that cannot work; 130 after Ctrl-C; 1 for everything else that went wrong.
 */
export async function run(argv: readonly string[]): Promise<number> {
  let code: number = ExitCode.success;
  const program = createProgram(argv, (exitCode) => {
    code = exitCode;
  });
  try {
    await program.parseAsync([...argv]);
    return code;
  } catch (error) {
    // Commander has printed its own message; what it calls an error with code 0 is --help and --version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.success : ExitCode.badInput;
    process.stderr.write(`${explainError(error)}\n`);
    return exitCodeOf(error);
  }
}
