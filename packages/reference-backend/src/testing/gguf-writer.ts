import { KVPolicyError } from "@kvpolicy/core";

import { TENSOR_ENCODINGS, type TensorType } from "./encode-tensor.js";
import type { GgufArray, GgufNumberKind, GgufValue } from "./gguf-values.js";

/** A tensor to be written. */
export interface GgufTensor {
  /** Its name, such as `blk.0.attn_q.weight`. */
  readonly name: string;
  /** Its dimensions in ggml's order: the contiguous one first (for a matrix its inputs, then its outputs). */
  readonly shape: readonly number[];
  /** How its values are stored. */
  readonly type: TensorType;
  /** Its values, as many as the dimensions multiply to. */
  readonly data: Float32Array;
}

/** What a GGUF file is made of. */
export interface GgufContents {
  /** Metadata by key, written in the order of the record. */
  readonly metadata: Readonly<Record<string, GgufValue>>;
  /** Tensors, written in this order. */
  readonly tensors: readonly GgufTensor[];
}

const MAGIC = 0x46554747; // "GGUF", read as a little-endian number
const VERSION = 3;
const ALIGNMENT = 32;
const BOOLEAN_TYPE = 7;
const STRING_TYPE = 8;
const ARRAY_TYPE = 9;

interface NumberEncoding {
  /** GGUF's number for the kind. */
  readonly type: number;
  /** Stores it, little-endian. */
  readonly set: (view: DataView, at: number, value: number | bigint) => void;
}

const small =
  (
    method:
      | "setUint8"
      | "setInt8"
      | "setUint16"
      | "setInt16"
      | "setUint32"
      | "setInt32"
      | "setFloat32"
      | "setFloat64",
  ) =>
  (view: DataView, at: number, value: number | bigint): void => {
    view[method](at, Number(value), true);
  };
const large =
  (method: "setBigUint64" | "setBigInt64") =>
  (view: DataView, at: number, value: number | bigint): void => {
    view[method](at, BigInt(value), true);
  };

const NUMBER_ENCODINGS: Readonly<Record<GgufNumberKind, NumberEncoding>> = {
  uint8: { type: 0, set: small("setUint8") },
  int8: { type: 1, set: small("setInt8") },
  uint16: { type: 2, set: small("setUint16") },
  int16: { type: 3, set: small("setInt16") },
  uint32: { type: 4, set: small("setUint32") },
  int32: { type: 5, set: small("setInt32") },
  float32: { type: 6, set: small("setFloat32") },
  uint64: { type: 10, set: large("setBigUint64") },
  int64: { type: 11, set: large("setBigInt64") },
  float64: { type: 12, set: small("setFloat64") },
};

/** Bits of a kind, which its name tells. */
function bitsOf(kind: GgufNumberKind): number {
  return Number(/\d+$/.exec(kind)?.[0]);
}

/** The smallest and the largest of a kind of whole numbers. */
function rangeOf(kind: GgufNumberKind): readonly [minimum: bigint, maximum: bigint] | undefined {
  const bits = BigInt(bitsOf(kind));
  if (kind.startsWith("float")) return undefined;
  return kind.startsWith("u") ? [0n, (1n << bits) - 1n] : [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n];
}

/**
 * Writes a GGUF file of version 3: little-endian, every tensor at a multiple of 32 bytes. The same contents give the
 * same bytes.
 *
 * @throws {KVPolicyError} `config` when a type or a kind of number is none that is known, a tensor's values do not fill its shape, its contiguous dimension is no multiple
 *   of its type's block (32 for the quantised types), two tensors share a name, or a whole number does not fit its kind.
 */
export function writeGguf({ metadata, tensors }: GgufContents): Uint8Array {
  checkTensors(tensors);
  const header = new ByteWriter();
  header.number("uint32", MAGIC);
  header.number("uint32", VERSION);
  header.number("uint64", tensors.length);
  const entries = Object.entries(metadata);
  header.number("uint64", entries.length);
  for (const [key, value] of entries) writeEntry(header, key, value);

  const offsets: number[] = [];
  let dataLength = 0;
  for (const { name, shape, type, data } of tensors) {
    offsets.push(dataLength);
    header.string(name);
    header.number("uint32", shape.length);
    for (const dimension of shape) header.number("uint64", dimension);
    header.number("uint32", TENSOR_ENCODINGS[type].id);
    header.number("uint64", dataLength);
    dataLength = align(dataLength + encodedLength(type, data.length));
  }

  const dataStart = align(header.length);
  const file = new Uint8Array(dataStart + dataLength);
  file.set(header.bytes());
  const view = new DataView(file.buffer);
  for (const [index, { type, data }] of tensors.entries()) {
    const { blockLength, blockBytes, encodeBlock } = TENSOR_ENCODINGS[type];
    let at = dataStart + (offsets[index] ?? 0);
    for (let from = 0; from < data.length; from += blockLength, at += blockBytes) {
      encodeBlock(data, from, view, at);
    }
  }
  return file;
}

function checkTensors(tensors: readonly GgufTensor[]): void {
  const names = new Set<string>();
  for (const { name, shape, type, data } of tensors) {
    if (names.has(name)) throw refuse("tensors", name, `there are two tensors with the name ${name}`);
    names.add(name);
    const values = shape.reduce((product, dimension) => product * dimension, 1);
    if (shape.length === 0 || values !== data.length) {
      throw refuse("tensors", name, `${name} has ${data.length} values for the shape [${shape.join(", ")}]`);
    }
    if (!Object.hasOwn(TENSOR_ENCODINGS, type)) {
      const known = Object.keys(TENSOR_ENCODINGS).join(", ");
      throw refuse("tensors", name, `${name} has the type ${type}, and these are written: ${known}`);
    }
    const { blockLength } = TENSOR_ENCODINGS[type];
    if ((shape[0] ?? 0) % blockLength !== 0) {
      throw refuse(
        "tensors",
        name,
        `the contiguous dimension of ${name} is ${shape[0] ?? 0}, and ${type} stores ${blockLength} values together`,
      );
    }
  }
}

function writeEntry(header: ByteWriter, key: string, value: GgufValue): void {
  header.string(key);
  if (typeof value === "string") {
    header.number("uint32", STRING_TYPE);
    header.string(value);
  } else if (typeof value === "boolean") {
    header.number("uint32", BOOLEAN_TYPE);
    header.number("uint8", Number(value));
  } else if ("value" in value) {
    checkKind(key, value.kind);
    checkNumber(key, value.kind, value.value);
    header.number("uint32", NUMBER_ENCODINGS[value.kind].type);
    header.number(value.kind, value.value);
  } else {
    header.number("uint32", ARRAY_TYPE);
    writeArray(header, key, value);
  }
}

function writeArray(header: ByteWriter, key: string, array: GgufArray): void {
  if (array.kind === "string[]") {
    header.number("uint32", STRING_TYPE);
    header.number("uint64", array.values.length);
    for (const value of array.values) header.string(value);
  } else if (array.kind === "boolean[]") {
    header.number("uint32", BOOLEAN_TYPE);
    header.number("uint64", array.values.length);
    for (const value of array.values) header.number("uint8", Number(value));
  } else {
    const kind = array.kind.slice(0, -2) as GgufNumberKind;
    checkKind(key, kind);
    header.number("uint32", NUMBER_ENCODINGS[kind].type);
    header.number("uint64", array.values.length);
    for (const value of array.values) {
      checkNumber(key, kind, value);
      header.number(kind, value);
    }
  }
}

function checkKind(key: string, kind: GgufNumberKind): void {
  if (Object.hasOwn(NUMBER_ENCODINGS, kind)) return;
  const known = Object.keys(NUMBER_ENCODINGS).join(", ");
  throw refuse("metadata", kind, `${key} is a number of the kind ${kind}, and these are written: ${known}`);
}

/** A DataView would wrap a number that does not fit, without a word. */
function checkNumber(key: string, kind: GgufNumberKind, value: number | bigint): void {
  const range = rangeOf(kind);
  if (range === undefined) return;
  const [minimum, maximum] = range;
  if (typeof value === "number" && !Number.isInteger(value)) {
    throw refuse("metadata", value, `${key} is ${value}, which is no whole number`);
  }
  if (value < minimum || value > maximum) {
    throw refuse("metadata", value, `${key} is ${String(value)}, which is no ${kind}`);
  }
}

function refuse(option: string, value: unknown, problem: string): KVPolicyError {
  return new KVPolicyError({
    code: "config",
    message: `writeGguf: ${problem}.`,
    details: { option, value },
  });
}

function align(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}

function encodedLength(type: TensorType, values: number): number {
  const { blockLength, blockBytes } = TENSOR_ENCODINGS[type];
  return (values / blockLength) * blockBytes;
}

/** Bytes that grow at their end. */
class ByteWriter {
  readonly #encoder = new TextEncoder();
  #bytes = new Uint8Array(4096);
  #length = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** What was written so far. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  number(kind: GgufNumberKind, value: number | bigint): void {
    const at = this.#reserve(bitsOf(kind) / 8);
    NUMBER_ENCODINGS[kind].set(new DataView(this.#bytes.buffer), at, value);
  }

  /** A string as GGUF has it: its length in bytes, then UTF-8. */
  string(text: string): void {
    const encoded = this.#encoder.encode(text);
    this.number("uint64", encoded.length);
    const at = this.#reserve(encoded.length);
    this.#bytes.set(encoded, at);
  }

  /** Makes room for so many bytes and says where they start. */
  #reserve(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    return at;
  }
}
