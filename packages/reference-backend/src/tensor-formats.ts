import { getHalfTable } from "./half-precision.js";

/** How ggml stores the numbers of a tensor. */
export interface TensorFormat {
  /** ggml's name of the type, `Q4_1` say. */
  readonly name: string;
  /** Elements that are stored together. The first dimension of a tensor is a multiple of it. */
  readonly blockSize: number;
  /** Bytes that such a block takes. */
  readonly bytesPerBlock: number;
  /**
   * The values of whole blocks, exactly those of ggml's `dequantize_row_*`.
   *
   * @param bytes - A multiple of `bytesPerBlock` bytes; their offset in a buffer does not matter.
   */
  decode(bytes: Uint8Array): Float32Array;
}

/** Elements of a block in each of the quantised formats here. */
const BLOCK_SIZE = 32;
const HALF_BLOCK = BLOCK_SIZE / 2;

/**
 * The tensor formats that can be read, by the number that stands for them in a GGUF file (`ggml_type`). The layouts are
 * those of `ggml-common.h`, all little-endian.
 */
export const tensorFormats: ReadonlyMap<number, TensorFormat> = new Map([
  [0, { name: "F32", blockSize: 1, bytesPerBlock: 4, decode: decodeSingle }],
  [1, { name: "F16", blockSize: 1, bytesPerBlock: 2, decode: decodeHalf }],
  [2, { name: "Q4_0", blockSize: BLOCK_SIZE, bytesPerBlock: 18, decode: decodeQ4Symmetric }],
  [3, { name: "Q4_1", blockSize: BLOCK_SIZE, bytesPerBlock: 20, decode: decodeQ4WithMinimum }],
  [8, { name: "Q8_0", blockSize: BLOCK_SIZE, bytesPerBlock: 34, decode: decodeQ8 }],
  [30, { name: "BF16", blockSize: 1, bytesPerBlock: 2, decode: decodeBrainFloat }],
]);

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function decodeSingle(bytes: Uint8Array): Float32Array {
  const view = viewOf(bytes);
  const values = new Float32Array(bytes.length / 4);
  for (let index = 0; index < values.length; index += 1) values[index] = view.getFloat32(index * 4, true);
  return values;
}

function decodeHalf(bytes: Uint8Array): Float32Array {
  const halves = getHalfTable();
  const view = viewOf(bytes);
  const values = new Float32Array(bytes.length / 2);
  for (let index = 0; index < values.length; index += 1)
    values[index] = halves[view.getUint16(index * 2, true)] ?? NaN;
  return values;
}

/** The upper half of an F32. */
function decodeBrainFloat(bytes: Uint8Array): Float32Array {
  const view = viewOf(bytes);
  const bits = new Uint32Array(bytes.length / 2);
  for (let index = 0; index < bits.length; index += 1) bits[index] = view.getUint16(index * 2, true) << 16;
  return new Float32Array(bits.buffer);
}

/** A scale (F16) and 32 signed bytes. */
function decodeQ8(bytes: Uint8Array): Float32Array {
  const halves = getHalfTable();
  const view = viewOf(bytes);
  const values = new Float32Array((bytes.length / 34) * BLOCK_SIZE);
  for (let offset = 0, first = 0; offset < bytes.length; offset += 34, first += BLOCK_SIZE) {
    const scale = halves[view.getUint16(offset, true)] ?? NaN;
    for (let index = 0; index < BLOCK_SIZE; index += 1)
      values[first + index] = view.getInt8(offset + 2 + index) * scale;
  }
  return values;
}

/** A scale (F16) and 16 bytes of two numbers each, 0 to 15, of which 8 means zero. */
function decodeQ4Symmetric(bytes: Uint8Array): Float32Array {
  const halves = getHalfTable();
  const view = viewOf(bytes);
  const values = new Float32Array((bytes.length / 18) * BLOCK_SIZE);
  for (let offset = 0, first = 0; offset < bytes.length; offset += 18, first += BLOCK_SIZE) {
    const scale = halves[view.getUint16(offset, true)] ?? NaN;
    decodeNibbles(bytes, offset + 2, values, first, { zero: 8, scale, minimum: -0 });
  }
  return values;
}

/** A scale and a minimum (both F16), and 16 bytes of two numbers each, 0 to 15. */
function decodeQ4WithMinimum(bytes: Uint8Array): Float32Array {
  const halves = getHalfTable();
  const view = viewOf(bytes);
  const values = new Float32Array((bytes.length / 20) * BLOCK_SIZE);
  for (let offset = 0, first = 0; offset < bytes.length; offset += 20, first += BLOCK_SIZE) {
    const scale = halves[view.getUint16(offset, true)] ?? NaN;
    const minimum = halves[view.getUint16(offset + 2, true)] ?? NaN;
    decodeNibbles(bytes, offset + 4, values, first, { zero: 0, scale, minimum });
  }
  return values;
}

/**
 * The lower halves of 16 bytes are the first 16 numbers of a block, the upper halves the other 16. Scale and minimum are
 * F16, so product and sum are exact in the F64 of JavaScript, and storing rounds them once, as ggml's F32 does. A minimum of −0 leaves every product as it is, a negative zero too.
 */
function decodeNibbles(
  bytes: Uint8Array,
  offset: number,
  values: Float32Array,
  first: number,
  { zero, scale, minimum }: { readonly zero: number; readonly scale: number; readonly minimum: number },
): void {
  for (let index = 0; index < HALF_BLOCK; index += 1) {
    const byte = bytes[offset + index] ?? 0;
    values[first + index] = ((byte & 0x0f) - zero) * scale + minimum;
    values[first + HALF_BLOCK + index] = ((byte >>> 4) - zero) * scale + minimum;
  }
}
