/** How the values of a tensor are stored. The names are ggml's. */
export type TensorType = "F32" | "F16" | "BF16" | "Q8_0" | "Q4_0" | "Q4_1";

/** What a tensor type means to a GGUF file. */
export interface TensorEncoding {
  /** ggml's number for the type. */
  readonly id: number;
  /** Values that are stored together; the contiguous dimension of a tensor is a multiple of it. */
  readonly blockLength: number;
  /** Bytes of one block. */
  readonly blockBytes: number;
  /** Stores the values from `from` on, one block of them, at byte `at` of the target. */
  readonly encodeBlock: (values: Float32Array, from: number, target: DataView, at: number) => void;
}

const QUANTISED_BLOCK = 32;

/**
 * All tensor types by name. The quantised ones are ggml's `quantize_row_*_ref` (ggml/src/ggml-quants.c), with every step
 * rounded to 32 bits as there.
 */
export const TENSOR_ENCODINGS: Readonly<Record<TensorType, TensorEncoding>> = {
  F32: {
    id: 0,
    blockLength: 1,
    blockBytes: 4,
    encodeBlock: (values, from, target, at) => {
      target.setFloat32(at, values[from] ?? 0, true);
    },
  },
  F16: {
    id: 1,
    blockLength: 1,
    blockBytes: 2,
    encodeBlock: (values, from, target, at) => {
      target.setUint16(at, halfPrecisionBits(values[from] ?? 0), true);
    },
  },
  BF16: {
    id: 30,
    blockLength: 1,
    blockBytes: 2,
    encodeBlock: (values, from, target, at) => {
      target.setUint16(at, brainFloatBits(values[from] ?? 0), true);
    },
  },
  Q8_0: { id: 8, blockLength: QUANTISED_BLOCK, blockBytes: 34, encodeBlock: encodeEightBits },
  Q4_0: { id: 2, blockLength: QUANTISED_BLOCK, blockBytes: 18, encodeBlock: encodeFourBits },
  Q4_1: { id: 3, blockLength: QUANTISED_BLOCK, blockBytes: 20, encodeBlock: encodeFourBitsWithMinimum },
};

const bitsView = new DataView(new ArrayBuffer(4));

function singlePrecisionBits(value: number): number {
  bitsView.setFloat32(0, value);
  return bitsView.getUint32(0);
}

/**
 * The bits of a number as half precision (IEEE 754 binary16), ties to even. Beyond its range lies infinity.
 *
 * @param value - Rounded to single precision first.
 */
export function halfPrecisionBits(value: number): number {
  const bits = singlePrecisionBits(value);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 127;
  const fraction = bits & 0x7fffff;
  if (exponent === 128 && fraction !== 0) return sign | 0x7e00;
  if (exponent > 15) return sign | 0x7c00;
  // Below 2⁻¹⁴ numbers are subnormal: the unit stays 2⁻²⁴ and bits fall off. Below 2⁻²⁵ nothing is left.
  const shift = exponent < -14 ? -1 - exponent : 13;
  if (shift > 24) return sign;
  const significand = 0x800000 | fraction;
  const isOdd = (significand >>> shift) & 1;
  const rounded = (significand + (1 << (shift - 1)) - 1 + isOdd) >>> shift;
  // The leading bit of a normal significand, or a carry, counts the exponent up, to infinity if need be.
  return sign | ((Math.max(exponent, -14) + 14) * 1024 + rounded);
}

/** The bits of a number as bfloat16 (the upper half of single precision), ties to even. */
export function brainFloatBits(value: number): number {
  const bits = singlePrecisionBits(value);
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** A scale in half precision, then 32 signed bytes: value = scale · byte. */
function encodeEightBits(values: Float32Array, from: number, target: DataView, at: number): void {
  let largest = 0;
  for (let index = 0; index < QUANTISED_BLOCK; index++) {
    largest = Math.max(largest, Math.abs(values[from + index] ?? 0));
  }
  const scale = Math.fround(largest / 127);
  const inverse = inverseOf(scale);
  target.setUint16(at, halfPrecisionBits(scale), true);
  for (let index = 0; index < QUANTISED_BLOCK; index++) {
    const scaled = Math.fround((values[from + index] ?? 0) * inverse);
    // C's roundf takes ties away from zero.
    target.setInt8(at + 2 + index, Math.sign(scaled) * Math.round(Math.abs(scaled)));
  }
}

/** A scale in half precision, then 16 bytes of two halves: value = scale · (half − 8). */
function encodeFourBits(values: Float32Array, from: number, target: DataView, at: number): void {
  let extreme = 0;
  for (let index = 0; index < QUANTISED_BLOCK; index++) {
    const value = values[from + index] ?? 0;
    if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  }
  // The value of the largest magnitude becomes −8, whatever its sign, because +8 does not exist.
  const scale = Math.fround(extreme / -8);
  const inverse = inverseOf(scale);
  target.setUint16(at, halfPrecisionBits(scale), true);
  setHalfBytes(target, at + 2, (index) =>
    Math.fround(Math.fround((values[from + index] ?? 0) * inverse) + 8.5),
  );
}

/** A scale and a minimum in half precision, then 16 bytes of two halves: value = scale · half + minimum. */
function encodeFourBitsWithMinimum(values: Float32Array, from: number, target: DataView, at: number): void {
  const block = values.subarray(from, from + QUANTISED_BLOCK);
  const minimum = Math.min(...block);
  const scale = Math.fround(Math.fround(Math.max(...block) - minimum) / 15);
  const inverse = inverseOf(scale);
  target.setUint16(at, halfPrecisionBits(scale), true);
  target.setUint16(at + 2, halfPrecisionBits(minimum), true);
  setHalfBytes(target, at + 4, (index) =>
    Math.fround(Math.fround(Math.fround((block[index] ?? 0) - minimum) * inverse) + 0.5),
  );
}

function inverseOf(scale: number): number {
  return scale === 0 ? 0 : Math.fround(1 / scale);
}

/** Byte i holds values i (its low half) and i + 16 (its high half), each cut to a whole number of at most 15. */
function setHalfBytes(target: DataView, at: number, valueAt: (index: number) => number): void {
  const half = QUANTISED_BLOCK / 2;
  for (let index = 0; index < half; index++) {
    const low = Math.min(15, Math.trunc(valueAt(index)));
    const high = Math.min(15, Math.trunc(valueAt(index + half)));
    target.setUint8(at + index, low | (high << 4));
  }
}
