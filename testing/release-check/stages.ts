import { performance } from "node:perf_hooks";

/** How a stage of the check ended. */
export interface StageResult {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "not run";
  readonly seconds: number;
  readonly summary: string;
}

/** Work that answers a value, and what of it to tell. */
export type StageWork<Value> = () => Promise<{ readonly value: Value; readonly summary: string }>;

/** The stages of a check, in the order in which they are to be told, with how each ended. */
export class Stages {
  readonly #results = new Map<string, StageResult>();

  constructor(names: readonly string[]) {
    for (const name of names) {
      this.#results.set(name, { name, outcome: "not run", seconds: 0, summary: "" });
    }
  }

  /** How the stages ended, so far. */
  get results(): readonly StageResult[] {
    return [...this.#results.values()];
  }

  /** Does the work of a stage. What it throws passes on. */
  async run<Value>(name: string, work: StageWork<Value>): Promise<Value> {
    if (!this.#results.has(name)) throw new RangeError(`there is no stage ${name}`);
    const start = performance.now();
    const note = (outcome: StageResult["outcome"], summary: string): void => {
      this.#results.set(name, { name, outcome, seconds: (performance.now() - start) / 1000, summary });
    };
    try {
      const { value, summary } = await work();
      note("passed", summary);
      return value;
    } catch (error) {
      const { name: kind, message } = error as Error;
      // What another failure has ended has not failed itself.
      if (kind !== "AbortError") note("failed", message.split("\n")[0]!);
      throw error;
    }
  }
}

/** The results as a table with a row a stage. */
export function renderTable(results: readonly StageResult[]): string {
  const width = Math.max(...results.map(({ name }) => name.length));
  return results
    .map(({ name, outcome, seconds, summary }) => {
      const time = outcome === "not run" ? "" : `${seconds.toFixed(1)} s`;
      return `${outcome.padEnd(7)}  ${name.padEnd(width)}  ${time.padStart(7)}  ${summary}`.trimEnd();
    })
    .join("\n");
}
