import { KVPolicyError } from "./errors.js";
import type { Mark } from "./mark.js";
import type { CacheView } from "./policy.js";
import type { CacheRange } from "./range.js";

/**
 * What the stream knows of the backend's cells: their tokens, stream positions (ascending) and marks, in arrays that are
 * allocated once.
 */
export class CacheMirror {
  readonly budget: number;
  readonly tokens: Uint32Array;
  readonly positions: Float64Array;
  readonly nlls: Float64Array | undefined;
  length = 0;
  #marks: Mark[] = [];

  constructor(budget: number, tracksNll: boolean) {
    this.budget = budget;
    this.tokens = new Uint32Array(budget);
    this.positions = new Float64Array(budget);
    this.nlls = tracksNll ? new Float64Array(budget) : undefined;
  }

  /** Marks in stream positions, those of future tokens included. */
  get marks(): readonly Mark[] {
    return this.#marks;
  }

  push(token: number, position: number, nll: number): void {
    this.tokens[this.length] = token;
    this.positions[this.length] = position;
    if (this.nlls) this.nlls[this.length] = nll;
    this.length += 1;
  }

  /** Takes cells out; `nextPosition` is the stream position of the next token that enters. */
  evict(ranges: readonly CacheRange[], nextPosition: number): void {
    let kept = ranges[0]?.start ?? this.length;
    ranges.forEach(({ end }, index) => {
      const next = ranges[index + 1]?.start ?? this.length;
      for (const cells of [this.tokens, this.positions, this.nlls]) cells?.copyWithin(kept, end, next);
      kept += next - end;
    });
    this.length = kept;
    this.#forgetDeadMarks(nextPosition);
  }

  /** Keeps the first `length` cells. */
  truncate(length: number): void {
    this.length = length;
  }

  /** Keeps nothing of the marks from a stream position on. */
  forgetMarksFrom(position: number): void {
    this.#marks = this.#marks
      .filter(({ start }) => start < position)
      .map((mark) => (mark.end > position ? { ...mark, end: position } : mark));
  }

  clear(): void {
    this.length = 0;
    this.#marks = [];
  }

  addMark(mark: Mark): void {
    this.#marks.push(mark);
  }

  /** Index of the first cell whose stream position is not below `position`. */
  indexOf(position: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#at(this.positions, middle) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The cells of this moment as a policy sees them; the marks are mapped to cache indices once. */
  view(): CacheView {
    const { tokens, positions, nlls } = this;
    return {
      length: this.length,
      budget: this.budget,
      required: 1,
      marks: this.#marks
        .map(({ name, start, end }) => ({ name, start: this.indexOf(start), end: this.indexOf(end) }))
        .filter(({ start, end }) => start < end),
      token: (index) => this.#at(tokens, index),
      streamPosition: (index) => this.#at(positions, index),
      ...(nlls && { nll: (index: number) => this.#at(nlls, index) }),
    };
  }

  /** A mark whose tokens have all been read and evicted can never come back: an endless stream must not collect them. */
  #forgetDeadMarks(nextPosition: number): void {
    if (this.#marks.length === 0) return;
    this.#marks = this.#marks.filter(
      ({ start, end }) => end > nextPosition || this.indexOf(start) < this.indexOf(end),
    );
  }

  /** What a live cell holds. */
  cell(index: number): { token: number; position: number; nll: number } {
    return {
      token: this.#at(this.tokens, index),
      position: this.#at(this.positions, index),
      nll: this.nlls?.[index] ?? NaN,
    };
  }

  #at(cells: Uint32Array | Float64Array, index: number): number {
    const value = index < this.length ? cells[index] : undefined;
    if (value !== undefined) return value;
    throw new KVPolicyError({
      code: "range",
      message: `There is no cell ${index}: ${this.length} cells are in use.`,
      details: { what: "cell index", value: index, minimum: 0, maximum: this.length - 1 },
    });
  }
}
