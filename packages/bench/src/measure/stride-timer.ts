/** One step of a stream, as a timer sees it. */
export interface TimedStep {
  /** Time that it took. */
  readonly milliseconds: number;
  /** Tokens of the text that it read. */
  readonly tokens: number;
  /** Whether it began with an eviction. */
  readonly evicted: boolean;
  /** Whether every cell is in use after it. */
  readonly fills: boolean;
  /** Whether the tokens that it read count: their stream positions are not below the common budget. */
  readonly counts: boolean;
}

/** Durations of whole strides, or of plain steps for a stream that never evicts. */
export interface Timings {
  /** `stride`: one eviction and the tokens read until the next. `step`: tokens decoded in one go, without an eviction. */
  readonly unit: "stride" | "step";
  /** Tokens of each. */
  readonly tokens: readonly number[];
  /** Time of each. */
  readonly milliseconds: readonly number[];
}

interface Stretch {
  readonly tokens: number[];
  readonly milliseconds: number[];
}

/**
 * Groups steps into strides. One token in a stride pays for the eviction of all, so only a whole stride has an honest time per
 * token. A stride is whole when the cache is full again: the token after it would evict.
 */
export class StrideTimer {
  readonly #strides: Stretch = { tokens: [], milliseconds: [] };
  readonly #steps: Stretch = { tokens: [], milliseconds: [] };
  #open: { tokens: number; milliseconds: number } | undefined;
  #hasEvicted = false;

  /** Whether a stride has begun and is not whole yet. */
  get isInsideStride(): boolean {
    return this.#open !== undefined;
  }

  /** Durations so far; an unfinished stride is not in them. */
  get timings(): Timings {
    return this.#hasEvicted ? { unit: "stride", ...this.#strides } : { unit: "step", ...this.#steps };
  }

  /** Takes in the next step. */
  add({ milliseconds, tokens, evicted, fills, counts }: TimedStep): void {
    this.#hasEvicted ||= evicted;
    const stride = evicted ? { tokens: 0, milliseconds: 0 } : this.#open;
    if (!stride) {
      if (counts && tokens > 0) push(this.#steps, { tokens, milliseconds });
      return;
    }
    stride.tokens += tokens;
    stride.milliseconds += milliseconds;
    this.#open = fills ? undefined : stride;
    if (fills) push(this.#strides, stride);
  }
}

function push({ tokens, milliseconds }: Stretch, one: { tokens: number; milliseconds: number }): void {
  tokens.push(one.tokens);
  milliseconds.push(one.milliseconds);
}
