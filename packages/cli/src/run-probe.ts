import { fork } from "node:child_process";

import type { ModelInspection } from "@kvpolicy/llamacpp-adapter";

import type { ProbeMessage, ProbeOptions } from "./probe-model.js";
import { badOption } from "./report-error.js";

/** How a probe came out. */
export type Probe =
  | { readonly status: "completed"; readonly inspection: ModelInspection }
  | {
      readonly status: "ended";
      /** The signal or the exit code with which the process ended. */
      readonly end: string;
      /** Whether it had decoded by then: what does not move keys works. */
      readonly decoded: boolean;
      /** What llama.cpp said last, if anything. */
      readonly lastWords: string | null;
    };

/** Name of the hidden command that a probe runs. */
export const PROBE_COMMAND = "probe-model";

/** Characters of the probe's output that are kept: an assertion is at the end, a backtrace may follow it. */
const KEPT_OUTPUT = 65_536;

/**
 * Tries a model in a child process that runs this program again, so that what ends a process ends that one.
 *
 * @param options - What the child is told.
 * @param command - Script and arguments of the child; the options follow as JSON.
 * @throws {KVPolicyError} `config` for what the user has to change; `Error` for another failure that the child reports.
 */
export function runProbe(
  options: ProbeOptions,
  command: readonly string[] = [process.argv[1] ?? "", PROBE_COMMAND],
): Promise<Probe> {
  const [script = "", ...words] = command;
  return new Promise((resolve, reject) => {
    const child = fork(script, [...words, JSON.stringify(options)], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    let output = "";
    let decoded = false;
    let answer: ModelInspection | undefined;
    let problem: Error | undefined;
    const keep = (data: Buffer): void => {
      output = (output + data.toString()).slice(-KEPT_OUTPUT);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    child.on("message", (message: ProbeMessage) => {
      if ("stage" in message) decoded = true;
      else if ("inspection" in message) answer = message.inspection;
      else problem = explain(message.problem);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (problem) reject(problem);
      else if (answer) resolve({ status: "completed", inspection: answer });
      else {
        const end = signal === null ? `exit code ${String(code)}` : `signal ${signal}`;
        resolve({ status: "ended", end, decoded, lastWords: findLastWords(output) });
      }
    });
  });
}

function explain({ config, message, option }: Extract<ProbeMessage, { problem: unknown }>["problem"]): Error {
  return config ? badOption(option, undefined, message) : new Error(`the probe failed: ${message}`);
}

/** The assertion that failed, without the place in llama.cpp's source. */
function findLastWords(output: string): string | null {
  const assertions = [...output.matchAll(/(GGML_ASSERT\(.*\) failed|GGML_ABORT.*|fatal error)/g)];
  return assertions.at(-1)?.[1] ?? null;
}
