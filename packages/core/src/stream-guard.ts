import { KVPolicyError } from "./errors.js";
import { Mutex } from "./mutex.js";
import { disposed } from "./refusals.js";

/**
 * What every call on a stream passes through: one at a time, none after dispose, none on cells that nobody knows any more,
 * and a backend's failure as an error of ours.
 */
export class StreamGuard {
  /** Tokens of the call under way that are in the cache: what a failure has to tell. */
  appended = 0;
  readonly #mutex = new Mutex();
  #brokenBy: string | undefined;
  #disposal: Promise<void> | undefined;

  /** Runs a call that needs a working stream. */
  run<Result>(task: () => Promise<Result>): Promise<Result> {
    return this.runOnBroken(() => {
      if (this.#brokenBy === undefined) return task();
      throw new KVPolicyError({
        code: "broken",
        message: `The stream is broken since ${this.#brokenBy} failed: clear or restore it, or dispose it.`,
        details: { operation: this.#brokenBy },
      });
    });
  }

  /** Runs a call that mends a broken stream. */
  runOnBroken<Result>(task: () => Promise<Result>): Promise<Result> {
    return this.#mutex.run(async () => {
      this.refuseDisposed();
      this.appended = 0;
      return task();
    });
  }

  /** Runs the last task, once; later calls wait for the same one. */
  async dispose(task: () => Promise<void>): Promise<void> {
    this.#disposal ??= this.#mutex.run(() => this.call("dispose", task));
    await this.#disposal;
  }

  refuseDisposed(): void {
    if (this.#disposal) throw disposed();
  }

  /** Asks the backend to change its cells: after a failure nobody knows them. */
  async change<Result>(operation: string, task: () => Promise<Result>): Promise<Result> {
    this.#brokenBy = operation;
    const result = await this.call(operation, task);
    this.#brokenBy = undefined;
    return result;
  }

  /** As {@link change}, where a refusal with `config` comes before any cell is touched: the stream stays as it was then. */
  async replace<Result>(operation: string, task: () => Promise<Result>): Promise<Result> {
    const before = this.#brokenBy;
    try {
      return await this.change(operation, task);
    } catch (error) {
      if (KVPolicyError.isInstance(error, "config")) this.#brokenBy = before;
      throw error;
    }
  }

  /** Asks the backend for something that changes no cell. */
  async call<Result>(operation: string, task: () => Promise<Result>): Promise<Result> {
    try {
      return await task();
    } catch (cause) {
      if (KVPolicyError.isInstance(cause)) throw cause;
      const { appended } = this;
      throw new KVPolicyError({
        code: "backend-failed",
        message:
          `The backend failed in ${operation}: ${cause instanceof Error ? cause.message : String(cause)}. ` +
          `${appended} tokens of this call are in the stream.`,
        details: { operation, appended },
        cause,
      });
    }
  }
}
