/** A point of a curve. */
export interface CurvePoint {
  /** Tokens of the text read. */
  readonly tokens: number;
  /** Of the last of them, as many as the curve's window holds. */
  readonly perplexity: number;
}

/** The negative log-likelihoods of one policy's tokens, in nats, as they come in. */
export class Likelihoods {
  /** Sum of the first tokens, by their number. */
  readonly #sums: number[] = [0];

  /** Tokens known. */
  get count(): number {
    return this.#sums.length - 1;
  }

  /** Adds those of the next tokens. */
  push(nlls: Iterable<number>): void {
    let sum = this.#sums.at(-1) ?? 0;
    for (const nll of nlls) this.#sums.push((sum += nll));
  }

  /** Mean over the tokens from `start` up to and without `end`; undefined when there is none, or one is no number. */
  mean(start: number, end: number): number | undefined {
    const value = ((this.#sums[end] ?? NaN) - (this.#sums[start] ?? NaN)) / (end - start);
    return Number.isFinite(value) ? value : undefined;
  }

  /** Perplexity over such tokens. */
  perplexity(start: number, end = this.count): number | undefined {
    const mean = this.mean(start, end);
    return mean === undefined ? undefined : Math.exp(mean);
  }

  /** How many times the other's perplexity this one's is, over the tokens that both have read from `start` on. */
  ratioTo(other: Likelihoods, start: number): number | undefined {
    const end = Math.min(this.count, other.count);
    const [own, others] = [this.mean(start, end), other.mean(start, end)];
    return own === undefined || others === undefined ? undefined : Math.exp(own - others);
  }

  /** Running perplexity, of the last `window` tokens, a point every `step` tokens. */
  curve(window: number, step: number): CurvePoint[] {
    const points: CurvePoint[] = [];
    for (let tokens = window; tokens <= this.count; tokens += step) {
      const perplexity = this.perplexity(tokens - window, tokens);
      if (perplexity !== undefined) points.push({ tokens, perplexity });
    }
    return points;
  }
}
