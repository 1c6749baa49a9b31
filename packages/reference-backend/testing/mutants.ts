import type { CacheRange } from "@kvpolicy/core";

import {
  CellCache,
  ReferenceBackend,
  Rotary,
  type Layer,
  type ReferenceModel,
  type RotaryPairing,
} from "../src/index.js";

/** A backend with a known fault, and the law that has to name it. */
export interface Mutant {
  /** What it does wrong. */
  readonly fault: string;
  /** Name of the law of `@kvpolicy/conformance` that must break. */
  readonly caughtBy: string;
  /** Random model of `cases.ts` on which the fault shows. */
  readonly model?: string;
  /** The backend on a sound model. */
  readonly create: (model: ReferenceModel, capacity: number) => ReferenceBackend;
}

const GAPS = "closes every gap when several ranges leave";
const BEFORE = "leaves the cells before a range where they are";
const FIRST = "reuses the values of the survivors when the first cell leaves";
const HISTORY = "predicts what the oracle predicts after any history";

/** Faults of the cache, and of the transformer around it. */
export const mutants: readonly Mutant[] = [
  onCache("forgets to re-index: survivors keep the positions that they had", GAPS, () => KeepsPositions),
  {
    ...onCache("counts ALiBi's distance in the stream instead of the cache", GAPS, () => KeepsPositions),
    model: "mpt",
  },
  onCache("moves the cells behind a range by one too few", BEFORE, () => MovesTooLittle),
  onCache("moves the cells behind a range the wrong way", BEFORE, () => MovesTheWrongWay),
  onCache("moves the sinks too", BEFORE, () => MovesTheSinks),
  onCache("drops a cell in front of the range instead of its last one", BEFORE, () => shifting(-1)),
  onCache("drops a cell behind the range instead of its first one", GAPS, () => shifting(1)),
  onCache("reuses keys but not values", FIRST, () => ReusesKeysOnly),
  onCache("reuses values but not keys", FIRST, () => ReusesValuesOnly),
  onCache("closes the gaps in the first layer only", FIRST, () => ClosesFirstLayerOnly),
  onCache("removes only the first of several ranges, and others at the end", GAPS, () => RemovesOnlyFirst),
  onCache("takes ranges for indices after the ones before them left", GAPS, () => RemovesOneByOne),
  onCache(
    "loses a little of every key at each eviction",
    "does not grow less exact with the number of evictions",
    () => WearsOut,
  ),
  {
    fault: "evaluates the survivors again instead of reusing them",
    caughtBy: FIRST,
    create: (model, capacity) => new RecomputesSurvivors(model, { capacity }),
  },
  onLayers("pairs the dimensions of a head the other way", HISTORY, "llama", (layer) =>
    withRotary(layer, { pairing: "halves" }),
  ),
  onLayers("rotates the whole head where only a part is", HISTORY, "gptneox", (layer) =>
    withRotary(layer, { dimensions: 16 }),
  ),
  onLayers(
    "gives heads that share keys the keys of their neighbours",
    HISTORY,
    "llama, heads that share keys",
    (layer) => ({
      ...layer,
      key: { ...layer.key, weights: swapHalves(layer.key.weights) },
    }),
  ),
  onLayers("forgets the penalty of ALiBi", GAPS, "mpt", (layer) => ({
    ...layer,
    positions: { kind: "alibi", slopes: new Float64Array(4) },
  })),
  onLayers("forgets the sink logits", HISTORY, "mimo2, sink logits of 0", (layer) => ({
    ...layer,
    sinkLogits: undefined,
  })),
  onLayers("adds attention before the feed-forward network reads", HISTORY, "gptneox", (layer) => ({
    ...layer,
    residual: "sequential",
  })),
];

/** No fault: rotary positions count by their distance alone, so that moving all of them changes nothing. */
export class MovesEverything extends CellCache {
  override position(index: number): number {
    return index + 1000;
  }
}

/** Positions as they were when a cell was written. */
class KeepsPositions extends CellCache {
  #positions: number[] = [];

  override position(index: number): number {
    while (this.#positions.length <= index) this.#positions.push((this.#positions.at(-1) ?? -1) + 1);
    return this.#positions[index]!;
  }

  override remove(ranges: readonly CacheRange[]): void {
    const length = this.length;
    super.remove(ranges);
    this.#positions = this.#positions
      .slice(0, length)
      .filter((_, index) => !ranges.some(({ start, end }) => start <= index && index < end));
  }
}

/** Positions that go wrong behind the first cell that ever left. */
abstract class MisplacesTheWindow extends CellCache {
  #firstMoved = Infinity;
  #evicted = 0;

  override position(index: number): number {
    return this.misplace(index, index >= this.#firstMoved, this.#evicted);
  }

  override remove(ranges: readonly CacheRange[]): void {
    const length = this.length;
    this.#firstMoved = Math.min(this.#firstMoved, ranges[0]?.start ?? Infinity);
    super.remove(ranges);
    this.#evicted += length - this.length;
  }

  protected abstract misplace(index: number, isMoved: boolean, evicted: number): number;
}

class MovesTooLittle extends MisplacesTheWindow {
  protected misplace(index: number, isMoved: boolean): number {
    return isMoved ? index + 1 : index;
  }
}

class MovesTheWrongWay extends MisplacesTheWindow {
  protected misplace(index: number, isMoved: boolean, evicted: number): number {
    return isMoved ? index + 2 * evicted : index;
  }
}

class MovesTheSinks extends MisplacesTheWindow {
  protected misplace(index: number, isMoved: boolean, evicted: number): number {
    return isMoved ? index + evicted : index;
  }
}

/** A cache that removes ranges that lie beside the right ones. */
function shifting(offset: number): typeof CellCache {
  return class extends CellCache {
    override remove(ranges: readonly CacheRange[]): void {
      const { length } = this;
      const moved = ranges.map(({ start, end }) => {
        const start1 = Math.max(0, Math.min(start + offset, length - (end - start)));
        return { start: start1, end: start1 + end - start };
      });
      super.remove(moved);
    }
  };
}

class ReusesKeysOnly extends CellCache {
  override remove(ranges: readonly CacheRange[]): void {
    const values = this.layers.map((layer) => layer.values.slice());
    super.remove(ranges);
    this.layers.forEach((layer, index) => {
      layer.values = values[index]!;
    });
  }
}

class ReusesValuesOnly extends CellCache {
  override remove(ranges: readonly CacheRange[]): void {
    const keys = this.layers.map((layer) => layer.keys.slice());
    super.remove(ranges);
    this.layers.forEach((layer, index) => {
      layer.keys = keys[index]!;
    });
  }
}

class ClosesFirstLayerOnly extends CellCache {
  override remove(ranges: readonly CacheRange[]): void {
    const others = this.layers.map(({ keys, values }) => ({ keys: keys.slice(), values: values.slice() }));
    super.remove(ranges);
    this.layers.forEach((layer, index) => {
      if (index > 0) Object.assign(layer, others[index]);
    });
  }
}

class RemovesOnlyFirst extends CellCache {
  override remove(ranges: readonly CacheRange[]): void {
    const [first, ...rest] = ranges;
    if (!first) return;
    const missing = rest.reduce((cells, { start, end }) => cells + end - start, 0);
    const { length } = this;
    super.remove([first]);
    this.length = length - (first.end - first.start) - missing;
  }
}

class RemovesOneByOne extends CellCache {
  override remove(ranges: readonly CacheRange[]): void {
    for (const { start, end } of ranges) {
      const last = Math.min(end, this.length);
      super.remove([{ start: Math.min(start, last - (end - start)), end: last }]);
    }
  }
}

class WearsOut extends CellCache {
  override remove(ranges: readonly CacheRange[]): void {
    super.remove(ranges);
    for (const { keys } of this.layers) keys.forEach((value, index) => (keys[index] = value * 0.995));
  }
}

/** Clears and decodes the survivors anew at each eviction. */
class RecomputesSurvivors extends ReferenceBackend {
  #tokens: number[] = [];

  override async decode(
    tokens: Uint32Array,
    options?: { readonly scoreFrom: number },
  ): Promise<Float64Array | undefined> {
    const nlls = await super.decode(tokens, options);
    this.#tokens.push(...tokens);
    return nlls;
  }

  override async evict(ranges: readonly CacheRange[]): Promise<void> {
    await super.evict(ranges);
    const survivors = this.#tokens.filter(
      (_, index) => !ranges.some(({ start, end }) => start <= index && index < end),
    );
    await this.clear();
    if (survivors.length > 0) await super.decode(Uint32Array.from(survivors));
    this.#tokens = survivors;
  }

  override async truncate(length: number): Promise<void> {
    await super.truncate(length);
    this.#tokens.length = length;
  }

  override async clear(): Promise<void> {
    await super.clear();
    this.#tokens = [];
  }
}

function onCache(fault: string, caughtBy: string, cacheOf: () => typeof CellCache): Mutant {
  return {
    fault,
    caughtBy,
    create: (model, capacity) => {
      const Cache = cacheOf();
      const cache = new Cache(model.layers.length, model.shape.keyValueHeads * model.shape.headSize);
      return new ReferenceBackend(model, { capacity, cache });
    },
  };
}

function onLayers(fault: string, caughtBy: string, model: string, change: (layer: Layer) => Layer): Mutant {
  return {
    fault,
    caughtBy,
    model,
    create: (sound, capacity) =>
      new ReferenceBackend({ ...sound, layers: sound.layers.map(change) }, { capacity }),
  };
}

function withRotary(
  layer: Layer,
  changes: { readonly pairing?: RotaryPairing; readonly dimensions?: number },
): Layer {
  const rotary = new Rotary({ pairing: "halves", dimensions: 16, base: 10_000, ...changes });
  return { ...layer, positions: { kind: "rotary", rotary } };
}

function swapHalves(numbers: Float32Array): Float32Array {
  const middle = numbers.length / 2;
  return Float32Array.of(...numbers.subarray(middle), ...numbers.subarray(0, middle));
}
