import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** How a process ended, and what it wrote. */
export interface Ended {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  /** The signal. */
  readonly signal: string | null;
  /** Standard output. */
  readonly output: string;
  /** Standard error. */
  readonly errors: string;
}

/** Options of {@link CommandRunner.run}. */
export interface RunOptions {
  /** Standard input. Defaults to nothing. */
  readonly input?: string;
  /** What is sent each time a process has written something, as long as this answers a signal. */
  readonly signalAfter?: (written: {
    readonly output: string;
    readonly errors: string;
  }) => NodeJS.Signals | undefined;
}

/** Runs the built command as child processes, in a directory of its own. */
export class CommandRunner {
  /** Where the commands run. */
  readonly directory: string;
  readonly #running = new Set<ChildProcess>();

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Makes the directory. */
  static async create(): Promise<CommandRunner> {
    return new CommandRunner(await mkdtemp(join(tmpdir(), "kvpolicy-cli-")));
  }

  /** Runs `kvpolicy` with these words. */
  run(words: readonly string[], { input = "", signalAfter }: RunOptions = {}): Promise<Ended> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [MAIN, ...words], {
        cwd: this.directory,
        env: { ...process.env, KVPOLICY_MODEL: "", NO_COLOR: "1" },
      });
      this.#running.add(child);
      const written = { output: "", errors: "" };
      const note = (stream: keyof typeof written) => (data: Buffer) => {
        written[stream] += data.toString();
        const signal = signalAfter?.(written);
        if (signal !== undefined) child.kill(signal);
      };
      child.stdout.on("data", note("output"));
      child.stderr.on("data", note("errors"));
      child.on("error", reject);
      child.on("close", (code, signal) => {
        this.#running.delete(child);
        resolve({ code, signal, ...written });
      });
      child.stdin.end(input);
    });
  }

  /** Ends what still runs. */
  killAll(): void {
    for (const child of this.#running) child.kill("SIGKILL");
  }

  /** Removes the directory. */
  dispose(): Promise<void> {
    return rm(this.directory, { recursive: true });
  }
}

/** Sends Ctrl-C a number of times, at once when something matches, then after each further word. */
export function interrupt(
  isTime: (written: { readonly output: string; readonly errors: string }) => boolean,
  times = 1,
): NonNullable<RunOptions["signalAfter"]> {
  let left = times;
  return (written) => {
    if (left === 0 || !isTime(written)) return undefined;
    left -= 1;
    return "SIGINT";
  };
}
