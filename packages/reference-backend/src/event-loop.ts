/** Milliseconds of computing after which others get a turn at the next chance. */
const PATIENCE = 12;

/**
 * Lets timers, aborts and the page have their turn when computing has held the thread for a while: a forward pass in
 * JavaScript awaits nothing by itself. The chances are in front of every layer of a block and of every prediction that is read.
 */
export class EventLoop {
  #since = performance.now();

  /** Waits for one turn of the event loop if the last was long ago. */
  async breathe(): Promise<void> {
    if (performance.now() - this.#since < PATIENCE) return;
    await nextTurn();
    this.#since = performance.now();
  }
}

/** A message to oneself: a timer of 0 would wait 1 ms in Node and 4 ms in a browser. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    // Assigned this way because Node's types leave out that a port has it.
    Object.assign(port1, {
      onmessage: () => {
        port1.close();
        resolve();
      },
    });
    port2.postMessage(undefined);
  });
}
