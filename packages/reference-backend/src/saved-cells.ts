import { KVPolicyError } from "@kvpolicy/core";

import type { CellCache } from "./cell-cache.js";

/** The first bytes of saved cells: "KVRB" as a little-endian number, then the version. */
const MAGIC = 0x4252564b;
const VERSION = 2;
const HEADER_NUMBERS = 6;
const HEADER_BYTES = HEADER_NUMBERS * 4;

/**
 * The cells in use as bytes: a header, then keys and values of each layer, F64, little-endian. The fingerprint says of which
 * model they are.
 */
export function saveCells({ layers, width, length }: CellCache, fingerprint: number): Uint8Array {
  const numbers = length * width;
  const bytes = new Uint8Array(HEADER_BYTES + layers.length * 2 * numbers * 8);
  const view = new DataView(bytes.buffer);
  [MAGIC, VERSION, layers.length, width, length, fingerprint].forEach((value, index) => {
    view.setUint32(index * 4, value, true);
  });
  let offset = HEADER_BYTES;
  for (const { keys, values } of layers) {
    for (const array of [keys, values]) {
      for (let index = 0; index < numbers; index += 1, offset += 8)
        view.setFloat64(offset, array[index]!, true);
    }
  }
  return bytes;
}

/**
 * Puts saved cells in place of a cache's own.
 *
 * @throws {KVPolicyError} `config` when the bytes are no saved cells, are of another model, or do not fit the capacity. The
 * cache is as it was then.
 */
export function loadCells(
  cache: CellCache,
  state: Uint8Array,
  { fingerprint, capacity }: { readonly fingerprint: number; readonly capacity: number },
): void {
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  const header = Array.from({ length: HEADER_NUMBERS }, (_, index) =>
    state.byteLength >= HEADER_BYTES ? view.getUint32(index * 4, true) : 0,
  );
  const [magic, version, layers = 0, width = 0, length = 0, ownFingerprint] = header;
  const expected = HEADER_BYTES + layers * 2 * length * width * 8;
  if (magic !== MAGIC || version !== VERSION || state.byteLength !== expected) {
    throw refuse(state, `they are no cells saved by this package (${state.byteLength} bytes)`);
  }
  if (layers !== cache.layers.length || width !== cache.width) {
    throw refuse(
      state,
      `they have ${layers} layers of ${width} numbers, and the model ${cache.layers.length} of ${cache.width}`,
    );
  }
  if (ownFingerprint !== fingerprint) throw refuse(state, "they are of a model with other weights");
  if (length > capacity) throw refuse(state, `they are ${length} cells, and the backend holds ${capacity}`);
  const numbers = length * width;
  let offset = HEADER_BYTES;
  const read = (): Float64Array =>
    Float64Array.from({ length: numbers }, () => {
      offset += 8;
      return view.getFloat64(offset - 8, true);
    });
  cache.length = 0;
  cache.layers.forEach((_, layer) => {
    cache.write(layer, read(), read());
  });
  cache.length = length;
}

function refuse(state: Uint8Array, problem: string): KVPolicyError {
  return new KVPolicyError({
    code: "config",
    message: `The saved cells cannot be loaded: ${problem}.`,
    details: { option: "state", value: { bytes: state.byteLength } },
  });
}
