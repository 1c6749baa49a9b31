import { KVPolicyError, type ErrorActor } from "@kvpolicy/core";

/** What the process says when it ends. */
export const ExitCode = {
  /** All was read. */
  success: 0,
  /** A fault of the program or of the engine. */
  crash: 1,
  /** Input that cannot work: the user has to change something. */
  badInput: 2,
  /** Ctrl-C, as shells count it. */
  interrupted: 130,
} as const;

const ACTORS: Readonly<Record<ErrorActor, string>> = {
  caller: "change what you asked for",
  policy: "the author of the policy has to mend it",
  backend: "the engine or the machine failed",
};

/** An error in words. One line, with who has to act, for a `KVPolicyError`; the stack for anything else, which is a fault of ours. */
export function explainError(error: unknown): string {
  if (KVPolicyError.isInstance(error)) {
    const message = error.message.replaceAll(/\s+/g, " ");
    return `kvpolicy: ${message} (${error.code}: ${ACTORS[error.actor]})`;
  }
  return `kvpolicy crashed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

/** The exit code that goes with an error. */
export function exitCodeOf(error: unknown): number {
  return KVPolicyError.isInstance(error) && error.actor === "caller" ? ExitCode.badInput : ExitCode.crash;
}

/** An option that cannot work, as a typed error. */
export function badOption(
  option: string,
  value: unknown,
  message: string,
  cause?: unknown,
): KVPolicyError<"config"> {
  return new KVPolicyError({ code: "config", message, details: { option, value }, cause });
}
