import type { Progress } from "@kvpolicy/bench";

import { describeProgress } from "./progress-lines.js";

/** Where progress is written, and how. */
export interface ProgressDisplayOptions {
  /** Writes text. */
  readonly write: (text: string) => void;
  /** Width of the terminal; undefined when it is none, which gets plain lines now and then. */
  readonly columns: number | undefined;
  /** Stream position from which the running perplexity counts. */
  readonly budget: number;
  /** Tells the time in milliseconds. */
  readonly clock: () => number;
}

/** Shows how far a comparison is. */
export interface ProgressDisplay {
  /** Takes in news; draws when the last drawing is old enough. */
  update(progress: Progress): void;
  /** Draws the last news once more, and leaves the cursor below. */
  finish(): void;
}

const REDRAW_MILLISECONDS = 100;
const PLAIN_MILLISECONDS = 10_000;
const CLEAR_LINE = "\u001B[2K";

/** A display for a terminal (a block of lines redrawn in place) or for a log (plain lines now and then). */
export function createProgressDisplay(options: ProgressDisplayOptions): ProgressDisplay {
  const { write, columns, budget, clock } = options;
  const interval = columns === undefined ? PLAIN_MILLISECONDS : REDRAW_MILLISECONDS;
  let drawnAt = columns === undefined ? clock() : -Infinity;
  let drawnLines = 0;
  let latest: Progress | undefined;

  const draw = (progress: Progress): void => {
    const { header, policies } = describeProgress(progress, budget);
    if (columns === undefined) {
      write(`${[header, ...policies.map((line) => `  ${line}`)].join("\n")}\n`);
      return;
    }
    const lines = [header, ...policies].map((line) => `${CLEAR_LINE}${line.slice(0, columns - 1)}\n`);
    write(`${drawnLines > 0 ? `\u001B[${drawnLines}A` : ""}${lines.join("")}`);
    drawnLines = lines.length;
  };

  return {
    update: (progress) => {
      latest = progress;
      if (clock() - drawnAt < interval) return;
      drawnAt = clock();
      draw(progress);
    },
    finish: () => {
      if (latest && columns !== undefined) draw(latest);
    },
  };
}
