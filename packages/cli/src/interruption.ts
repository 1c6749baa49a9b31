/** Ctrl-C as an abort signal, for as long as it is not disposed. */
export interface Interruption extends Disposable {
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
}

/**
 * Listens for Ctrl-C. The first aborts the signal, so that what was measured is kept; the second finds no listener any more and
 * ends the process as it would have without us.
 *
 * @param onFirst - Called at the first, to tell the user.
 */
export function listenForInterruption(onFirst: () => void): Interruption {
  const controller = new AbortController();
  const listener = (): void => {
    controller.abort();
    onFirst();
  };
  process.once("SIGINT", listener);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      process.off("SIGINT", listener);
    },
  };
}
