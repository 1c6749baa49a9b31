/** Why a file could not be read. */
export type GgufErrorCode =
  /** The bytes do not start like a GGUF file. */
  | "not-gguf"
  /** A GGUF file, of a version other than 3. */
  | "unsupported-version"
  /** The bytes end too early, or contradict themselves. */
  | "malformed"
  /** A tensor is stored in a type other than F32 and F16. */
  | "unsupported-tensor-type";

/** Thrown when bytes are not a GGUF file that this package can work with. */
export class GgufError extends Error {
  override readonly name = "GgufError";
  /** The reason, for programs. */
  readonly code: GgufErrorCode;

  constructor(code: GgufErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A tensor as the header of a GGUF file describes it. */
export interface TensorInfo {
  /** Its name, such as `blk.0.attn_q.weight`. */
  readonly name: string;
  /** Number of values. */
  readonly elements: number;
  /** ggml's number for how the values are stored. */
  readonly type: number;
  /** Where the values start, in bytes from the start of the data section. */
  readonly offset: number;
  /** Where the header says the type (an unsigned 32-bit number), in bytes from the start of the file. */
  readonly typeField: number;
  /** Where the header says the offset (an unsigned 64-bit number), in bytes from the start of the file. */
  readonly offsetField: number;
}

/** The parts of a GGUF header that are needed to store its tensors in another way. */
export interface GgufHeader {
  /** All tensors, in the order of the header. */
  readonly tensors: readonly TensorInfo[];
  /** Every tensor and the data section start at a multiple of this many bytes. */
  readonly alignment: number;
  /** Where the value of `general.file_type` is, in bytes from the start of the file, if the file has one. */
  readonly fileTypeField: number | undefined;
  /** Where the data section starts, in bytes from the start of the file. */
  readonly dataStart: number;
}

const MAGIC = 0x46554747; // "GGUF", read as a little-endian number
const VERSION = 3;
const DEFAULT_ALIGNMENT = 32;

const STRING = 8;
const ARRAY = 9;
const UNSIGNED_32 = 4;

/** Sizes in bytes of the value types that have one. */
const VALUE_SIZES: ReadonlyMap<number, number> = new Map([
  [0, 1], // unsigned 8-bit
  [1, 1], // signed 8-bit
  [2, 2], // unsigned 16-bit
  [3, 2], // signed 16-bit
  [UNSIGNED_32, 4],
  [5, 4], // signed 32-bit
  [6, 4], // float 32-bit
  [7, 1], // boolean
  [10, 8], // unsigned 64-bit
  [11, 8], // signed 64-bit
  [12, 8], // float 64-bit
]);

/** The next multiple of `alignment` that is not below `offset`. */
export function align(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

/**
 * Reads the header of a GGUF file of version 3.
 *
 * @throws {GgufError} When the bytes are something else.
 */
export function readHeader(file: Uint8Array): GgufHeader {
  const cursor = new Cursor(file);
  if (file.byteLength < 4 || cursor.unsigned32() !== MAGIC) {
    throw new GgufError("not-gguf", "These bytes are not a GGUF file.");
  }
  const version = cursor.unsigned32();
  if (version !== VERSION) {
    throw new GgufError("unsupported-version", `Only GGUF version 3 can be read, not ${version}.`);
  }
  const tensorCount = cursor.unsigned64();
  const entryCount = cursor.unsigned64();

  let alignment = DEFAULT_ALIGNMENT;
  let fileTypeField: number | undefined;
  for (let entry = 0; entry < entryCount; entry++) {
    const key = cursor.string();
    const type = cursor.unsigned32();
    const valueField = cursor.position;
    cursor.skipValue(type);
    if (type !== UNSIGNED_32) continue;
    if (key === "general.alignment") alignment = cursor.unsigned32At(valueField);
    if (key === "general.file_type") fileTypeField = valueField;
  }
  if (alignment === 0) throw new GgufError("malformed", "The file asks for an alignment of 0 bytes.");

  const tensors: TensorInfo[] = [];
  for (let index = 0; index < tensorCount; index++) {
    const name = cursor.string();
    const dimensions = cursor.unsigned32();
    let elements = 1;
    for (let dimension = 0; dimension < dimensions; dimension++) elements *= cursor.unsigned64();
    const typeField = cursor.position;
    const type = cursor.unsigned32();
    const offsetField = cursor.position;
    const offset = cursor.unsigned64();
    tensors.push({ name, elements, type, offset, typeField, offsetField });
  }
  return { tensors, alignment, fileTypeField, dataStart: align(cursor.position, alignment) };
}

/** Reads little-endian values one after the other. */
class Cursor {
  position = 0;
  readonly #file: Uint8Array;
  readonly #view: DataView;
  readonly #decoder = new TextDecoder();

  constructor(file: Uint8Array) {
    this.#file = file;
    this.#view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  }

  unsigned32At(position: number): number {
    return this.#view.getUint32(position, true);
  }

  unsigned32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  unsigned64(): number {
    const value = Number(this.#view.getBigUint64(this.#advance(8), true));
    if (!Number.isSafeInteger(value))
      throw new GgufError("malformed", "The file has a count beyond any real size.");
    return value;
  }

  string(): string {
    const length = this.unsigned64();
    const start = this.#advance(length);
    return this.#decoder.decode(this.#file.subarray(start, start + length));
  }

  skipValue(type: number): void {
    if (type === STRING) {
      this.#advance(this.unsigned64());
    } else if (type === ARRAY) {
      this.#skipArray();
    } else {
      this.#advance(sizeOf(type));
    }
  }

  #skipArray(): void {
    const type = this.unsigned32();
    const count = this.unsigned64();
    const size = VALUE_SIZES.get(type);
    if (size === undefined) {
      for (let index = 0; index < count; index++) this.skipValue(type);
    } else {
      this.#advance(count * size);
    }
  }

  /** Moves on and returns where it was. */
  #advance(bytes: number): number {
    const start = this.position;
    if (start + bytes > this.#file.byteLength)
      throw new GgufError("malformed", "The file ends inside its header.");
    this.position = start + bytes;
    return start;
  }
}

function sizeOf(type: number): number {
  const size = VALUE_SIZES.get(type);
  if (size === undefined)
    throw new GgufError("malformed", `The file has a value of the unknown type ${type}.`);
  return size;
}
