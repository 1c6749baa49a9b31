/**
 * Whether an error is what a call rejects with because a signal stopped it: the signal's reason, or an error that has it as its cause.
 * Anything else that fails after the signal is a failure like any other.
 */
export function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  if (!signal?.aborted) return false;
  return error === signal.reason || (error instanceof Error && error.cause === signal.reason);
}
