import { execFile } from "node:child_process";
import { delimiter } from "node:path";
import { env } from "node:process";
import { promisify, stripVTControlCharacters } from "node:util";

import { ReleaseFault } from "./release-fault.js";

/** Lines of a failed command that are shown. */
const SHOWN_LINES = 60;
const LARGEST_OUTPUT = 64 * 1024 * 1024;
/** What npm and vitest tell their children would tie a project elsewhere to this repository; settings, a registry say, stay. */
const TIES = /^(npm_(package|lifecycle)_.*|npm_config_local_prefix|NODE_ENV|NODE_OPTIONS|VITEST.*)$/;

const environment = {
  ...Object.fromEntries(Object.entries(env).filter(([name]) => !TIES.test(name))),
  PATH: (env["PATH"] ?? "")
    .split(delimiter)
    .filter((directory) => !directory.includes("node_modules"))
    .join(delimiter),
  NO_COLOR: "1",
  DO_NOT_TRACK: "1",
  TURBO_TELEMETRY_DISABLED: "1",
};

/** Where a command runs, and what ends it early. */
export interface CommandPlace {
  readonly cwd: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What a command writes to standard output.
 *
 * @throws {ReleaseFault} with the end of its output, when it fails; when it is ended from here, what `execFile` throws.
 */
export async function runCommand(
  { cwd, signal }: CommandPlace,
  program: string,
  ...words: readonly string[]
): Promise<string> {
  const options = { cwd, env: environment, maxBuffer: LARGEST_OUTPUT, ...(signal && { signal }) };
  try {
    const { stdout } = await promisify(execFile)(program, words, options);
    return stripVTControlCharacters(stdout);
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new ReleaseFault([`${[program, ...words].join(" ")} failed:\n${endOfOutput(error)}`]);
  }
}

function endOfOutput(error: unknown): string {
  const { stdout = "", stderr = "", message = "" } = error as Record<string, string | undefined>;
  const output = stripVTControlCharacters(stdout + stderr).trim() || message;
  return output.split("\n").slice(-SHOWN_LINES).join("\n");
}
