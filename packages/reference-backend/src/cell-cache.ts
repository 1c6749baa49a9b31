import type { CacheRange } from "@kvpolicy/core";

/** Keys and values of one layer, [cells × width] each. Keys are as they were before any position entered. */
export interface LayerCells {
  /** Keys without their positions. */
  keys: Float64Array;
  /** Values. */
  values: Float64Array;
}

/**
 * The cache of every layer. Keys are stored *before* the rotary embedding, as in the paper's code, and positions are given to
 * them anew whenever they are looked at: removing cells is moving numbers, and nothing has to be rotated back.
 */
export class CellCache {
  /** Cells in use, the same in every layer once a block is through. */
  length = 0;
  /** The cells of each layer, with room for more behind those in use. */
  readonly layers: readonly LayerCells[];
  /** Numbers in the keys, and in the values, of one cell and layer: keyValueHeads × headSize. */
  readonly width: number;

  constructor(layers: number, width: number) {
    this.layers = Array.from({ length: layers }, () => ({
      keys: new Float64Array(0),
      values: new Float64Array(0),
    }));
    this.width = width;
  }

  /** In-cache position of a cell: its index (StreamingLLM, section 3.2). */
  position(index: number): number {
    return index;
  }

  /** Puts a block's keys and values of one layer behind the cells in use; `length` is the caller's to raise after all layers. */
  write(layer: number, keys: Float64Array, values: Float64Array): void {
    const cells = this.layers[layer]!;
    const start = this.length * this.width;
    cells.keys = withRoom(cells.keys, start + keys.length);
    cells.values = withRoom(cells.values, start + values.length);
    cells.keys.set(keys, start);
    cells.values.set(values, start);
  }

  /** Removes cells and closes the gaps. Ranges are sorted and disjoint. */
  remove(ranges: readonly CacheRange[]): void {
    const survivors = [];
    let previousEnd = 0;
    for (const { start, end } of ranges) {
      survivors.push({ start: previousEnd, end: start });
      previousEnd = end;
    }
    survivors.push({ start: previousEnd, end: this.length });
    for (const { keys, values } of this.layers) {
      for (const numbers of [keys, values]) this.#closeGaps(numbers, survivors);
    }
    this.length = survivors.reduce((cells, { start, end }) => cells + end - start, 0);
  }

  /** Gives the memory of all cells back. */
  release(): void {
    this.length = 0;
    for (const cells of this.layers) {
      cells.keys = new Float64Array(0);
      cells.values = new Float64Array(0);
    }
  }

  #closeGaps(numbers: Float64Array, survivors: readonly CacheRange[]): void {
    let target = 0;
    for (const { start, end } of survivors) {
      numbers.copyWithin(target, start * this.width, end * this.width);
      target += (end - start) * this.width;
    }
  }
}

/** The same numbers in an array that holds at least `size`, doubled so that growth costs nothing in the long run. */
function withRoom(numbers: Float64Array, size: number): Float64Array {
  if (size <= numbers.length) return numbers;
  const larger = new Float64Array(Math.max(size, 2 * numbers.length));
  larger.set(numbers);
  return larger;
}
