import { formatDuration, type ExperimentProgress } from "@kvpolicy/bench";

/** Where progress is written, and how. */
export interface ExperimentProgressOptions {
  /** Name of the experiment. */
  readonly name: string;
  /** Writes text. */
  readonly write: (text: string) => void;
  /** Width of the terminal; undefined when it is none, which gets a plain line now and then. */
  readonly columns: number | undefined;
  /** Tells the time in milliseconds. */
  readonly clock: () => number;
}

/** Shows how far an experiment is, and how long it may still take. */
export interface ExperimentProgressLine {
  /** Takes in news; draws when the last drawing is old enough. */
  update(progress: ExperimentProgress): void;
  /** Clears the line. */
  finish(): void;
}

const FIRST_MILLISECONDS = 500;
const REDRAW_MILLISECONDS = 200;
const PLAIN_MILLISECONDS = 10_000;
const CLEAR = "\r\u001B[2K";

/** A line for a terminal, redrawn in place, or for a log, one every ten seconds. */
export function createExperimentProgress(options: ExperimentProgressOptions): ExperimentProgressLine {
  const { name, write, columns, clock } = options;
  const start = clock();
  const interval = columns === undefined ? PLAIN_MILLISECONDS : REDRAW_MILLISECONDS;
  let next = start + (columns === undefined ? PLAIN_MILLISECONDS : FIRST_MILLISECONDS);
  let isDrawn = false;
  return {
    update: (progress) => {
      const now = clock();
      if (now < next) return;
      next = now + interval;
      const line = describe(name, progress, now - start);
      write(columns === undefined ? `${line}\n` : `${CLEAR}${line.slice(0, columns - 1)}`);
      isDrawn = true;
    },
    finish: () => {
      if (isDrawn && columns !== undefined) write(CLEAR);
    },
  };
}

function describe(name: string, { what, done, total }: ExperimentProgress, elapsed: number): string {
  const share = total > 0 ? Math.min(1, done / total) : 0;
  const left = share > 0 ? `, ${formatDuration((elapsed / share) * (1 - share))} left` : "";
  return `${name}: ${Math.floor(share * 100)} %${left}; ${what}`;
}
