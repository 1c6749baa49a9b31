import { KVPolicyError } from "@kvpolicy/core";

const MAGIC = 0x4b565853;
/** Magic, model, cells, checksum. */
const HEADER_BYTES = 16;

/** What an engine's own bytes do not say. */
interface StateOrigin {
  /** The model whose keys and values they are. */
  readonly model: number;
  /** Cells that they hold. */
  readonly cells: number;
}

/** An engine's bytes behind a header, so that foreign, damaged and too large ones are refused before the engine sees them. */
export function sealState({ model, cells }: StateOrigin, bytes: Uint8Array): Uint8Array {
  const state = new Uint8Array(HEADER_BYTES + bytes.length);
  const header = new DataView(state.buffer);
  [MAGIC, model, cells, checksum(bytes)].forEach((number, index) => {
    header.setUint32(4 * index, number);
  });
  state.set(bytes, HEADER_BYTES);
  return state;
}

/**
 * What was sealed.
 *
 * @throws {KVPolicyError} `config` for bytes that are no saved cells, of another model, damaged, or too many.
 */
export function unsealState(
  state: Uint8Array,
  { model, capacity }: { readonly model: number; readonly capacity: number },
): { readonly cells: number; readonly bytes: Uint8Array } {
  const refuse = (problem: string): KVPolicyError =>
    new KVPolicyError({
      code: "config",
      message: `The saved cells cannot be loaded: ${problem}.`,
      details: { option: "state", value: { bytes: state.length } },
    });
  if (state.length < HEADER_BYTES) throw refuse("they are cut short");
  const header = new DataView(state.buffer, state.byteOffset);
  const bytes = state.slice(HEADER_BYTES);
  const cells = header.getUint32(8);
  if (header.getUint32(0) !== MAGIC) throw refuse("they are something else");
  if (header.getUint32(4) !== model) throw refuse("they are of another model");
  if (header.getUint32(12) !== checksum(bytes)) throw refuse("they are damaged or cut short");
  if (cells > capacity) throw refuse(`they are ${cells} cells, and the backend holds ${capacity}`);
  return { cells, bytes };
}

/** A 32-bit checksum: the hash FNV-1a. */
function checksum(bytes: Uint8Array): number {
  return bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
}
