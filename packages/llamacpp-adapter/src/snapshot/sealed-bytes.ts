import { createHash, type Hash } from "node:crypto";

/** What a kind of sealed bytes begins with. */
export interface SealFormat {
  /** Eight characters that no other kind begins with. */
  readonly magic: string;
  /** Version of the layout and of the header. */
  readonly version: number;
  /** What such bytes are called in messages. */
  readonly noun: string;
}

/** Sealed bytes that were opened. */
export interface Opened {
  /** What the writer put into the header. */
  readonly header: unknown;
  /** The sections, by name, as views of the bytes. */
  readonly sections: ReadonlyMap<string, Uint8Array>;
}

const MAGIC_BYTES = 8;
/** Magic, version (4 bytes), length of the header (4 bytes), length of the whole (8 bytes). */
export const PREFIX_BYTES = MAGIC_BYTES + 16;
const DIGEST_BYTES = 32;
/** A hash takes less than 2 GiB at a time, and a file gives less. */
export const CHUNK_BYTES = 2 ** 26;

/**
 * Bytes that describe and vouch for themselves, little-endian, in parts that belong one after the other:
 *
 * | bytes | what                                                     |
 * | ----: | -------------------------------------------------------- |
 * |     8 | magic                                                    |
 * |     4 | version                                                  |
 * |     4 | length of the header                                     |
 * |     8 | length of the whole                                      |
 * |     … | header: JSON `{ header, sections: [[name, length], …] }` |
 * |     … | the sections, one after the other                        |
 * |    32 | SHA-256 of everything before                             |
 *
 * The sections are not copied.
 */
export function seal(
  { magic, version }: SealFormat,
  header: object,
  sections: Readonly<Record<string, Uint8Array>>,
): Uint8Array[] {
  const lengths = Object.entries(sections).map(([name, bytes]) => [name, bytes.byteLength]);
  const json = Buffer.from(JSON.stringify({ header, sections: lengths }));
  const content = [json, ...Object.values(sections)];
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.write(magic, "latin1");
  prefix.writeUInt32LE(version, MAGIC_BYTES);
  prefix.writeUInt32LE(json.byteLength, MAGIC_BYTES + 4);
  prefix.writeBigUInt64LE(BigInt(PREFIX_BYTES + countBytes(content) + DIGEST_BYTES), MAGIC_BYTES + 8);
  const hash = createHash("sha256");
  for (const part of [prefix, ...content]) update(hash, part);
  return [prefix, ...content, hash.digest()];
}

/** What sealed bytes are like, when they cannot be opened, in words that follow a name. */
export class SealBroken extends Error {
  /** Bytes that there are. */
  readonly bytes: number;

  constructor(problem: string, bytes: number) {
    super(problem);
    this.bytes = bytes;
  }
}

/**
 * Reads the first bytes of something that is `bytes` long: enough to refuse what is of another kind or incomplete before the rest is
 * read.
 *
 * @returns the length of the header
 * @throws {SealBroken} for another magic, another version, or another length than was promised.
 */
export function readPrefix({ magic, version, noun }: SealFormat, start: Uint8Array, bytes: number): number {
  const view = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  const begins = view.toString("latin1", 0, MAGIC_BYTES);
  // Cut inside its first eight bytes it is incomplete all the same.
  if (bytes < MAGIC_BYTES && magic.startsWith(begins)) throw truncated(bytes);
  if (begins !== magic)
    throw new SealBroken(`is not a ${noun}: its ${bytes} bytes begin with ${JSON.stringify(begins)}`, bytes);
  if (bytes < PREFIX_BYTES) throw truncated(bytes);
  const found = view.readUInt32LE(MAGIC_BYTES);
  if (found !== version) {
    throw new SealBroken(`has format version ${found}, and this is version ${version}`, bytes);
  }
  const headerBytes = view.readUInt32LE(MAGIC_BYTES + 4);
  const promised = view.readBigUInt64LE(MAGIC_BYTES + 8);
  if (promised > BigInt(bytes)) throw truncated(bytes, promised);
  const totalBytes = Number(promised);
  if (totalBytes < bytes)
    throw new SealBroken(`is damaged: it has ${bytes} bytes where it promises ${totalBytes}`, bytes);
  if (PREFIX_BYTES + headerBytes + DIGEST_BYTES > totalBytes)
    throw new SealBroken(`is damaged: its header would take ${headerBytes} of its ${bytes} bytes`, bytes);
  return headerBytes;
}

/**
 * Checks bytes against their prefix and digest, and only then reads the header.
 *
 * @throws {SealBroken} as {@link readPrefix}, and for bytes that do not match their digest.
 */
export function unseal(format: SealFormat, bytes: Uint8Array): Opened {
  const headerBytes = readPrefix(format, bytes.subarray(0, PREFIX_BYTES), bytes.byteLength);
  const end = bytes.byteLength - DIGEST_BYTES;
  const hash = createHash("sha256");
  update(hash, bytes.subarray(0, end));
  if (!hash.digest().equals(bytes.subarray(end)))
    throw new SealBroken("is damaged: its bytes do not match their digest", bytes.byteLength);
  // From here on the writer's own code is to blame for whatever is wrong.
  const headerEnd = PREFIX_BYTES + headerBytes;
  const json = Buffer.from(bytes.buffer, bytes.byteOffset + PREFIX_BYTES, headerBytes).toString();
  const { header, sections } = JSON.parse(json) as { header: unknown; sections: [string, number][] };
  const views = new Map<string, Uint8Array>();
  let offset = headerEnd;
  for (const [name, length] of sections) {
    views.set(name, bytes.subarray(offset, offset + length));
    offset += length;
  }
  if (offset !== end) throw new SealBroken("is damaged: its sections do not fill it", bytes.byteLength);
  return { header, sections: views };
}

/** Bytes of several parts. */
export function countBytes(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** An array in chunks that a hash, or a file, takes at once. */
function* inChunks(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += CHUNK_BYTES) {
    yield bytes.subarray(start, start + CHUNK_BYTES);
  }
}

function update(hash: Hash, bytes: Uint8Array): void {
  for (const chunk of inChunks(bytes)) hash.update(chunk);
}

function truncated(bytes: number, promised: bigint | number = PREFIX_BYTES): SealBroken {
  return new SealBroken(`is truncated: it has ${bytes} bytes of at least ${promised}`, bytes);
}
