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
  /** The cells as a policy sees them; the same object at every call. */
  readonly view: CacheView;
  length = 0;
  #marks: Mark[] = [];

  constructor(budget: number, tracksNll: boolean) {
    this.budget = budget;
    this.tokens = new Uint32Array(budget);
    this.positions = new Float64Array(budget);
    this.nlls = tracksNll ? new Float64Array(budget) : undefined;
    this.view = new MirrorView(this);
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

  evict(ranges: readonly CacheRange[]): void {
    let kept = ranges[0]?.start ?? this.length;
    ranges.forEach(({ end }, index) => {
      const next = ranges[index + 1]?.start ?? this.length;
      for (const cells of [this.tokens, this.positions, this.nlls]) cells?.copyWithin(kept, end, next);
      kept += next - end;
    });
    this.length = kept;
    this.#forgetDeadMarks();
  }

  /** Keeps the first `length` cells, and nothing of the marks from stream position `position` on. */
  truncate(length: number, position: number): void {
    this.length = length;
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
      if (this.at(this.positions, middle) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The marks that are live, in cache indices. */
  liveMarks(): Mark[] {
    return this.#marks
      .map(({ name, start, end }) => ({ name, start: this.indexOf(start), end: this.indexOf(end) }))
      .filter(({ start, end }) => start < end);
  }

  /** A mark whose tokens have all been read and evicted can never come back: an endless stream must not collect them. */
  #forgetDeadMarks(): void {
    if (this.#marks.length === 0) return;
    const next = this.length === 0 ? 0 : this.at(this.positions, this.length - 1) + 1;
    this.#marks = this.#marks.filter(
      ({ start, end }) => end > next || this.indexOf(start) < this.indexOf(end),
    );
  }

  /** Reads a live cell. */
  at(cells: Uint32Array | Float64Array, index: number): number {
    const value = index < this.length ? cells[index] : undefined;
    if (value !== undefined) return value;
    throw new KVPolicyError({
      code: "range",
      message: `There is no cell ${index}: ${this.length} cells are in use.`,
      details: { what: "cell index", value: index, minimum: 0, maximum: this.length - 1 },
    });
  }
}

class MirrorView implements CacheView {
  readonly required = 1;
  readonly nll?: (index: number) => number;
  readonly #mirror: CacheMirror;

  constructor(mirror: CacheMirror) {
    this.#mirror = mirror;
    const { nlls } = mirror;
    if (nlls) this.nll = (index) => mirror.at(nlls, index);
  }

  get length(): number {
    return this.#mirror.length;
  }

  get budget(): number {
    return this.#mirror.budget;
  }

  get marks(): readonly Mark[] {
    return this.#mirror.liveMarks();
  }

  token(index: number): number {
    return this.#mirror.at(this.#mirror.tokens, index);
  }

  streamPosition(index: number): number {
    return this.#mirror.at(this.#mirror.positions, index);
  }
}
