import { GGMLQuantizationType, gguf, type GGUFTensorInfo } from "@huggingface/gguf";
import { KVPolicyError } from "@kvpolicy/core";

import { openByteSource, refuseModel, type ByteSource, type GgufSource } from "./byte-source.js";
import { tensorFormats, type TensorFormat } from "./tensor-formats.js";

/** What a GGUF file says about one of its tensors. */
interface TensorInfo {
  /** Name, `blk.0.attn_q.weight` say. */
  readonly name: string;
  /** Number of elements along each dimension, in ggml's order: neighbours along the first one are neighbours in memory. */
  readonly shape: readonly number[];
  /** ggml's name of the format, `Q4_1` say. */
  readonly type: string;
}

/** An open GGUF file. */
export interface GgufFile {
  /**
   * The metadata under the keys of the file, `llama.block_count` say. 64-bit integers are numbers where a number is
   * exact, and bigints elsewhere.
   */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The tensors by name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * The values of a tensor as F32, in the order of the file. Only the tensor's own bytes are read.
   *
   * @throws {KVPolicyError} `config` when there is no such tensor or its bytes cannot be read, `disposed` after `close`.
   */
  read(name: string): Promise<Float32Array>;
  /** Lets go of the file. May be called again. */
  close(): Promise<void>;
}

/** Magic number, version, and the numbers of tensors and metadata entries. */
const FIXED_HEADER = 24;
const VERSIONS: readonly number[] = [2, 3];
const DEFAULT_ALIGNMENT = 32;
/** What the library puts beside the entries of the file. */
const ADDED_KEYS: readonly string[] = ["version", "tensor_count", "kv_count"];

/** A tensor and where it lies. */
interface LocatedTensor {
  readonly info: TensorInfo;
  readonly format: TensorFormat;
  readonly start: number;
  readonly end: number;
}

/** What is at the beginning of a file, in the terms of the library that parses it. */
interface Header {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensors: readonly GGUFTensorInfo[];
  /** First byte of the tensor data. */
  readonly dataStart: number;
}

/**
 * Opens a GGUF file and checks it: afterwards all its tensors are there and can be read.
 *
 * @throws {KVPolicyError} `config` when it cannot be read, is no GGUF of version 2 or 3, is damaged or ends too early;
 * `unsupported` when tensors have a format that is not read.
 */
export async function openGguf(source: GgufSource): Promise<GgufFile> {
  const bytes = await openByteSource(source);
  try {
    await checkFixedHeader(bytes);
    const header = await readHeader(bytes);
    return createFile(bytes, header.metadata, locateTensors(bytes, header));
  } catch (error) {
    await bytes.close();
    throw error;
  }
}

function createFile(
  bytes: ByteSource,
  metadata: Readonly<Record<string, unknown>>,
  located: ReadonlyMap<string, LocatedTensor>,
): GgufFile {
  let closed: Promise<void> | undefined;
  return {
    metadata,
    tensors: new Map([...located].map(([name, { info }]) => [name, info])),
    read: async (name) => {
      if (closed)
        throw new KVPolicyError({
          code: "disposed",
          message: `The model ${bytes.name} was closed.`,
          details: { what: "model" },
        });
      const tensor = located.get(name);
      if (!tensor)
        throw new KVPolicyError({
          code: "config",
          message: `The model ${bytes.name} has no tensor "${name}".`,
          details: { option: "name", value: name },
        });
      return tensor.format.decode(await bytes.read(tensor.start, tensor.end));
    },
    close: () => (closed ??= bytes.close()),
  };
}

/** The first bytes, which the library would read, but not refuse, in every case. */
async function checkFixedHeader(source: ByteSource): Promise<void> {
  const bytes = await source.read(0, Math.min(source.size, FIXED_HEADER));
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  if (magic !== "GGUF")
    throw refuseModel(
      source,
      `is not a GGUF file: its ${source.size} bytes begin with ${JSON.stringify(magic)}`,
      { magic },
    );
  if (bytes.length < FIXED_HEADER) throw endsInHeader(source, FIXED_HEADER);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const version = view.getUint32(4, true);
  if (VERSIONS.includes(version)) return;
  const swapped = view.getUint32(4, false);
  throw refuseModel(
    source,
    VERSIONS.includes(swapped)
      ? `is big-endian GGUF (version ${swapped}), and little-endian is read`
      : `has GGUF version ${version}, and versions ${VERSIONS.join(" and ")} are read`,
    { version: VERSIONS.includes(swapped) ? swapped : version, bigEndian: VERSIONS.includes(swapped) },
  );
}

function endsInHeader(source: ByteSource, promised: number, cause?: unknown): KVPolicyError {
  return refuseModel(
    source,
    `ends inside its header: it has ${source.size} bytes where the header takes at least ${promised}`,
    { promised },
    cause,
  );
}

/**
 * Reads metadata and tensor list with the library, whatever the source: its requests of byte ranges are answered from
 * there. It takes what lies beyond the end for zeros, so the end is checked here.
 */
async function readHeader(source: ByteSource): Promise<Header> {
  const served: Uint8Array[] = [];
  let isPastEnd = false;
  const fetchRange = async (_: unknown, request?: RequestInit): Promise<Response> => {
    const range = /^bytes=(\d+)-(\d+)$/.exec(new Headers(request?.headers).get("Range") ?? "");
    const start = Number(range?.[1]);
    // It looks one request ahead; another one is for bytes that the header promises and the file lacks.
    if (isPastEnd) throw endsInHeader(source, start);
    isPastEnd = start >= source.size;
    const end = Math.min(Number(range?.[2]) + 1, source.size);
    const bytes = isPastEnd ? new Uint8Array() : await source.read(start, end);
    served.push(bytes);
    return new Response(Uint8Array.from(bytes), {
      status: 206,
      headers: { "Content-Range": `bytes ${start}-${end - 1}/${source.size}` },
    });
  };
  // The address is never visited. Outside a browser the library takes any other kind for a path.
  const parsed = await gguf("https://model.invalid/", { fetch: fetchRange }).catch((cause: unknown) => {
    if (KVPolicyError.isInstance(cause)) throw cause;
    throw refuseModel(
      source,
      `ends inside its header, or the header is damaged (${source.size} bytes)`,
      {},
      cause,
    );
  });
  const headerEnd = parsed.tensorInfoByteRange[1];
  if (headerEnd > source.size) throw endsInHeader(source, headerEnd);
  const metadata = Object.fromEntries(
    Object.entries(parsed.metadata)
      .filter(([key]) => !ADDED_KEYS.includes(key))
      .map(([key, value]) => [key, toNumbers(value)]),
  );
  restoreTokens(metadata, served);
  return {
    metadata,
    tensors: parsed.tensorInfos,
    dataStart: alignUp(headerEnd, alignmentOf(source, metadata)),
  };
}

function alignmentOf(source: ByteSource, metadata: Readonly<Record<string, unknown>>): number {
  const alignment = metadata["general.alignment"] ?? DEFAULT_ALIGNMENT;
  if (typeof alignment === "number" && Number.isInteger(Math.log2(alignment))) return alignment;
  throw refuseModel(
    source,
    `has the alignment ${JSON.stringify(alignment, showBigint)}, which is no power of two`,
    {
      alignment,
    },
  );
}

/** JSON knows no bigint. */
function showBigint(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

function toNumbers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toNumbers);
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

const TOKENS = "tokenizer.ggml.tokens";
const BYTE_ORDER_MARK = "\uFEFF";

/**
 * Reads the vocabulary once more from the bytes that were served, when it may hold a byte order mark (U+FEFF). The
 * library drops it from the beginning of a string, so that a token would be another one, or empty: Llama 2 has such a
 * token. Where the array is is told by its key and its type.
 */
function restoreTokens(metadata: Record<string, unknown>, served: readonly Uint8Array[]): void {
  const tokens = metadata[TOKENS];
  const header = concatenate(served);
  if (!Array.isArray(tokens) || indexOfBytes(header, new TextEncoder().encode(BYTE_ORDER_MARK)) < 0) return;
  // Type 9 is an array, type 8 its strings; then come their number and, before each one, its length.
  const start = Uint8Array.of(...new TextEncoder().encode(TOKENS), 9, 0, 0, 0, 8, 0, 0, 0);
  const found = indexOfBytes(header, start);
  if (found < 0) return;
  const view = new DataView(header.buffer);
  // The same bytes may stand in a text of the metadata: then another number follows them.
  const count =
    found + start.length + 8 <= header.length ? view.getBigUint64(found + start.length, true) : 0n;
  if (count !== BigInt(tokens.length)) return;
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let offset = found + start.length + 8;
  metadata[TOKENS] = tokens.map(() => {
    const length = Number(view.getBigUint64(offset, true));
    const text = decoder.decode(header.subarray(offset + 8, offset + 8 + length));
    offset += 8 + length;
    return text;
  });
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((total, { length }) => total + length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

function indexOfBytes(bytes: Uint8Array, wanted: Uint8Array): number {
  const [first = 0] = wanted;
  for (let index = bytes.indexOf(first); index >= 0; index = bytes.indexOf(first, index + 1))
    if (wanted.every((byte, place) => bytes[index + place] === byte)) return index;
  return -1;
}

function locateTensors(source: ByteSource, { tensors, dataStart }: Header): Map<string, LocatedTensor> {
  const formats = formatsOf(tensors);
  const located = new Map<string, LocatedTensor>();
  for (const [index, tensor] of tensors.entries()) {
    const place = locate(source, tensor, formats[index]!, dataStart);
    if (located.has(tensor.name))
      throw refuseModel(source, `has two tensors named "${tensor.name}"`, { tensor: tensor.name });
    located.set(tensor.name, place);
  }
  return located;
}

/** The format of each tensor. */
function formatsOf(tensors: readonly GGUFTensorInfo[]): TensorFormat[] {
  const unknown = tensors.filter(({ dtype }) => !tensorFormats.has(dtype));
  const [first] = unknown;
  if (!first) return tensors.map(({ dtype }) => tensorFormats.get(dtype)!);
  const named = unknown.slice(0, 3).map(({ name, dtype }) => `${name} (${nameOfType(dtype)})`);
  const more = unknown.length > named.length ? ` and ${unknown.length - named.length} more` : "";
  const supported = [...tensorFormats.values()].map(({ name }) => name).join(", ");
  const reason = `${named.join(", ")}${more}; these are read: ${supported}`;
  const feature = `tensor type ${nameOfType(first.dtype)}`;
  throw new KVPolicyError({
    code: "unsupported",
    message: `The model cannot be read for its ${feature}: ${reason}.`,
    details: { feature, reason },
  });
}

function nameOfType(type: number): string {
  // The file may hold any number, whatever the library's type says.
  const names: Readonly<Record<number, string | undefined>> = GGMLQuantizationType;
  return names[type] ?? String(type);
}

function locate(
  source: ByteSource,
  tensor: GGUFTensorInfo,
  format: TensorFormat,
  dataStart: number,
): LocatedTensor {
  const { name } = tensor;
  const shape = tensor.shape.map(Number);
  const elements = shape.reduce((product, length) => product * length, 1);
  if ((shape[0] ?? 1) % format.blockSize !== 0)
    throw refuseModel(
      source,
      `has rows of ${shape[0] ?? 1} elements in "${name}", and ${format.name} stores ${format.blockSize} at a time`,
      { tensor: name, shape, blockSize: format.blockSize },
    );
  const start = dataStart + Number(tensor.offset);
  const end = start + (elements / format.blockSize) * format.bytesPerBlock;
  if (!(end <= source.size))
    throw refuseModel(
      source,
      `is truncated: the tensor "${name}" ends at byte ${end}, and there are ${source.size} bytes`,
      { tensor: name, promised: end },
    );
  return { info: { name, shape, type: format.name }, format, start, end };
}
