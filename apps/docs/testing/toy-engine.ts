import { CellCache, ReferenceBackend, type ReferenceModel } from "@kvpolicy/reference-backend";

import type { Engine } from "./another-backend.js";

/** Cells with positions of their own: they keep them when others leave, until they are shifted. */
class PositionedCells extends CellCache {
  positions: number[] = [];

  override position(index: number): number {
    return this.positions[index] ?? NaN;
  }
}

/** What a toy engine is made of. */
interface ToyEngineOptions {
  readonly cells: number;
  readonly largestBatch: number;
  readonly canShift?: boolean | undefined;
}

/**
 * An engine for the tests of a backend: the mathematics of the reference model behind an interface as native engines have it. Cells are
 * named by their positions, gaps stay open until a shift closes them, and nothing is checked: wrong calls compute wrong numbers.
 */
export function createToyEngine(
  model: ReferenceModel,
  { cells, largestBatch, canShift = true }: ToyEngineOptions,
): Engine {
  const { headSize, keyValueHeads } = model.shape;
  const cache = new PositionedCells(model.layers.length, headSize * keyValueHeads);
  // One more than it says: a caller that fills it too far is to notice by itself.
  const inside = new ReferenceBackend(model, { capacity: cells + 1, batch: largestBatch, cache });
  const { vocabularySize } = model;
  let isFree = false;

  const readLogits = async (): Promise<Float32Array> => {
    const nlls = await Promise.all(Array.from({ length: vocabularySize }, (_, token) => inside.nll(token)));
    return Float32Array.from(nlls, (nll) => -nll);
  };

  return {
    cells,
    largestBatch,
    vocabularySize,
    modelId: vocabularySize * model.layers.length,
    canShift,
    evaluate: async (tokens, position, wanted) => {
      if (tokens.length > largestBatch)
        throw new Error(`${tokens.length} tokens are more than a batch of ${largestBatch}`);
      const rows: Float32Array[] = [];
      for (const [index, token] of tokens.entries()) {
        cache.positions.push(position + index);
        await inside.decode(Uint32Array.of(token));
        if (wanted.includes(index)) rows.push(await readLogits());
      }
      return rows;
    },
    remove: (start, end) => {
      const leaving = [...cache.positions.keys()].filter((index) => {
        const position = cache.position(index);
        return start <= position && position < end;
      });
      cache.remove(leaving.map((index) => ({ start: index, end: index + 1 })));
      cache.positions = cache.positions.filter((position) => position < start || position >= end);
    },
    shift: (start, delta) => {
      cache.positions = cache.positions.map((position) => (position < start ? position : position + delta));
    },
    save: async () => {
      const state = await inside.saveState();
      const positions = new Uint8Array(Uint32Array.of(cache.length, ...cache.positions).buffer);
      const bytes = new Uint8Array(positions.length + state.length);
      bytes.set(positions);
      bytes.set(state, positions.length);
      return bytes;
    },
    load: async (bytes) => {
      const numbers = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
      const count = numbers[0] ?? 0;
      await inside.loadState(bytes.slice(4 * (count + 1)));
      cache.positions = Array.from(numbers.subarray(1, count + 1));
    },
    free: () => {
      if (isFree) throw new Error("freed twice");
      isFree = true;
      void inside.dispose();
    },
  };
}
