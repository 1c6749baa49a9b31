/** Name under which the engine knows the code of the editor: stack traces carry it. */
export const FILE_NAME = "my-policy.js";

/** What is wrong with the code of the editor, as plain data. */
export interface PolicyProblem {
  /** What is wrong, in one or more sentences. */
  readonly message: string;
  /** Line of the code, from 1, where it shows. */
  readonly line?: number | undefined;
}

/** The code of the editor makes no policy. */
export class PolicyCodeError extends Error {
  /** Line of the code, from 1, where it shows. */
  readonly line: number | undefined;

  constructor(message: string, line?: number, options?: ErrorOptions) {
    super(message, options);
    this.name = "PolicyCodeError";
    this.line = line;
  }
}

/** What was thrown, with the line of the code that threw it or called what did. */
export function problemOf(error: unknown): PolicyProblem {
  const message = error instanceof Error ? error.message : String(error);
  return { message, line: lineOf(error) };
}

/** The line of the code that an error comes from, its causes included; `undefined` where no trace leads there. */
export function lineOf(error: unknown): number | undefined {
  if (error instanceof PolicyCodeError) return error.line;
  if (!(error instanceof Error)) return undefined;
  return lineIn(error.stack ?? "") ?? lineInWebKit(error) ?? lineOf(error.cause);
}

/** WebKit's traces do not name what was evaluated. Its errors know where they were made, and no address where it was there. */
function lineInWebKit(error: Error): number | undefined {
  if (!("line" in error) || typeof error.line !== "number") return undefined;
  return "sourceURL" in error && Boolean(error.sourceURL) ? undefined : error.line;
}

function lineIn(stack: string): number | undefined {
  const [, line] = new RegExp(`${FILE_NAME.replace(".", "\\.")}:(\\d+)`).exec(stack) ?? [];
  return line === undefined ? undefined : Number(line);
}
