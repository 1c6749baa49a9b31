/**
 * Lets native work run at once only as far as there are cores for its threads; whoever asks first goes first. llama.cpp's threads wait
 * for each other after every operation: with more of them than cores, decoding is many times slower.
 */
export class ThreadTurns {
  readonly #cores: number;
  readonly #waiting: { readonly threads: number; readonly start: () => void }[] = [];
  #busy = 0;

  constructor(cores: number) {
    this.#cores = cores;
  }

  /** Runs a task once there is room for its threads. One that wants more than there are cores runs alone. */
  async run<Result>(threads: number, task: () => Promise<Result>): Promise<Result> {
    const taken = Math.min(threads, this.#cores);
    if (this.#waiting.length > 0 || this.#busy + taken > this.#cores) {
      await new Promise<void>((start) => this.#waiting.push({ threads: taken, start }));
    } else {
      this.#busy += taken;
    }
    try {
      return await task();
    } finally {
      this.#busy -= taken;
      this.#startWaiting();
    }
  }

  #startWaiting(): void {
    for (;;) {
      const [next] = this.#waiting;
      if (!next || this.#busy + next.threads > this.#cores) return;
      this.#waiting.shift();
      this.#busy += next.threads;
      next.start();
    }
  }
}
