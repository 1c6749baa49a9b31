/** A text that begins again at its start when it is over. */
export class LoopedText {
  readonly #tokens: Uint32Array;

  /** `tokens` is one pass: at least one token. */
  constructor(tokens: Uint32Array) {
    this.#tokens = tokens;
  }

  /** Tokens of a pass. */
  get passLength(): number {
    return this.#tokens.length;
  }

  /** `length` tokens from `start` on, counted from the beginning of the first pass. */
  take(start: number, length: number): Uint32Array {
    const pass = this.#tokens;
    return Uint32Array.from({ length }, (_, index) => pass[(start + index) % pass.length] ?? 0);
  }
}
