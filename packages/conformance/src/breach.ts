/** What the body of a law throws; it becomes a `LawBroken` that knows the law's name. */
export class Breach extends Error {
  readonly measured: number | undefined;
  readonly tolerance: number | undefined;

  constructor(
    problem: string,
    options: {
      readonly measured?: number | undefined;
      readonly tolerance?: number | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    super(problem, options.cause === undefined ? undefined : { cause: options.cause });
    this.measured = options.measured;
    this.tolerance = options.tolerance;
  }
}

/** @throws {Breach} when the condition does not hold. */
export function demand(condition: boolean, problem: string): asserts condition {
  if (!condition) throw new Breach(problem);
}

/** What an error says; a value that is none, as text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
