import { open, type FileHandle } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename } from "node:path";

import { KVPolicyError, type PolicyDescription, type Snapshot } from "@kvpolicy/core";
import { getModuleVersion } from "node-llama-cpp";

import { writeAtomically } from "./atomic-file.js";
import type { SeedState } from "./sampling-seeds.js";
import type { CellsOrigin } from "./saved-cells.js";
import { CHUNK_BYTES, PREFIX_BYTES, readPrefix, seal, SealBroken, unseal } from "./sealed-bytes.js";

/** Everything that a snapshot file holds. */
export interface SnapshotContent {
  /** The stream. */
  readonly snapshot: Snapshot;
  /** The token that opens the stream, `null` for none. */
  readonly bos: number | null;
  /** What its sampling goes on from. */
  readonly seeds: SeedState;
  /** What its cells are tied to. */
  readonly origin: CellsOrigin;
  /** Threads that computed it. */
  readonly threads: number;
  /** Most tokens of one decode. */
  readonly batch: number;
  /** The caller's own data, as JSON can hold it. */
  readonly extra: unknown;
}

/** A snapshot file as it was read. */
export interface SnapshotFile extends SnapshotContent {
  /** When it was taken, ISO 8601. */
  readonly date: string;
  /** What it was written with. */
  readonly versions: SnapshotVersions;
}

/** Versions of what wrote a snapshot. */
export interface SnapshotVersions {
  /** Of this package. */
  readonly adapter: string;
  /** Of node-llama-cpp. */
  readonly nodeLlamaCpp: string;
}

/** What a snapshot says about itself, without the cells. */
export interface SnapshotInfo {
  /** When it was taken, ISO 8601. */
  readonly date: string;
  /** The policy of the stream that it was taken of. */
  readonly policy: PolicyDescription;
  /** Stream position at which it was taken. */
  readonly position: number;
  /** What computed its cells: the name and fingerprint of the model, types of keys and values, flash attention. */
  readonly origin: CellsOrigin;
  /** Threads that computed it. With others, sums round differently in their last digits. */
  readonly threads: number;
  /** Most tokens of one decode, which rounds likewise. */
  readonly batch: number;
  /** What it was written with. */
  readonly versions: SnapshotVersions;
  /** What `save` was given as `extra`. */
  readonly extra: unknown;
}

/** The part of a file that is text. JSON knows neither NaN nor Infinity, which a likelihood may be. */
interface Header extends Omit<SnapshotFile, "snapshot"> {
  readonly stream: Omit<Snapshot, "tokens" | "positions" | "nlls" | "held" | "state">;
  readonly held: { readonly token: number; readonly position: number; readonly nll: string } | null;
}

const FORMAT = { magic: "KVPSNAPS", version: 1, noun: "snapshot" };

/**
 * Writes a snapshot file in one piece: a kill at any moment leaves the old file or the new one.
 *
 * @throws {KVPolicyError} `config` with the option `path` and the cause when the file system refuses. The old file is what it was.
 */
export async function writeSnapshotFile(path: string, content: SnapshotContent): Promise<void> {
  const { snapshot, ...rest } = content;
  const { tokens, positions, nlls, held, state, ...stream } = snapshot;
  const header: Header = {
    date: new Date().toISOString(),
    versions: await readVersions(),
    ...rest,
    stream,
    held: held && { ...held, nll: String(held.nll) },
  };
  const sections = {
    tokens: bytesOf(tokens),
    positions: bytesOf(positions),
    ...(nlls && { nlls: bytesOf(nlls) }),
    state,
  };
  try {
    await writeAtomically(path, seal(FORMAT, header, sections));
  } catch (cause) {
    throw new KVPolicyError({
      code: "config",
      message: `The snapshot ${basename(path)} cannot be written: ${messageOf(cause)}.`,
      details: { option: "path", value: path },
      cause,
    });
  }
}

/**
 * Reads a snapshot file, all of which is checked before any of it is used.
 *
 * @throws {KVPolicyError} `config` with the option `restore` for a file that cannot be read, is no snapshot, has another format version,
 * is truncated or damaged; the message says which.
 */
export async function readSnapshotFile(path: string): Promise<SnapshotFile> {
  const file = await open(path).catch((cause: unknown) => {
    throw refuse(path, `cannot be read: ${messageOf(cause)}`, 0, cause);
  });
  try {
    const found = await file.stat();
    if (!found.isFile()) throw refuse(path, "is not a file", 0);
    readPrefix(FORMAT, await readStart(file, Math.min(PREFIX_BYTES, found.size)), found.size);
    return toSnapshotFile(unseal(FORMAT, await readStart(file, found.size)));
  } catch (cause) {
    if (cause instanceof SealBroken) throw refuse(path, cause.message, cause.bytes, cause);
    if (KVPolicyError.isInstance(cause)) throw cause;
    throw refuse(path, `cannot be read: ${messageOf(cause)}`, 0, cause);
  } finally {
    await file.close();
  }
}

function toSnapshotFile({ header, sections }: ReturnType<typeof unseal>): SnapshotFile {
  const { stream, held, ...rest } = header as Header;
  const section = (name: string): ArrayBuffer => new Uint8Array(sections.get(name) ?? []).buffer;
  return {
    ...rest,
    snapshot: {
      ...stream,
      tokens: new Uint32Array(section("tokens")),
      positions: new Float64Array(section("positions")),
      nlls: sections.has("nlls") ? new Float64Array(section("nlls")) : null,
      held: held && { ...held, nll: Number(held.nll) },
      state: sections.get("state") ?? new Uint8Array(0),
    },
  };
}

/** What is worth telling of a file, without its bytes. */
export function describeSnapshot({ snapshot, ...file }: SnapshotFile): SnapshotInfo {
  const { date, origin, threads, batch, versions: writers, extra } = file;
  const { policy, position } = snapshot;
  return { date, policy, position, origin, threads, batch, versions: writers, extra };
}

/** Numbers as they lie in memory: every machine that node-llama-cpp runs on is little-endian. */
function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function readStart(file: FileHandle, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let offset = 0; offset < length;) {
    const { bytesRead } = await file.read(bytes, offset, Math.min(CHUNK_BYTES, length - offset), offset);
    // Cut while it was read: what is there tells it.
    if (bytesRead === 0) return bytes.subarray(0, offset);
    offset += bytesRead;
  }
  return bytes;
}

let versions: Promise<SnapshotVersions> | undefined;

function readVersions(): Promise<SnapshotVersions> {
  versions ??= getModuleVersion().then((nodeLlamaCpp) => {
    const manifest = createRequire(import.meta.url)("@kvpolicy/llamacpp-adapter/package.json") as {
      readonly version: string;
    };
    return { adapter: manifest.version, nodeLlamaCpp };
  });
  return versions;
}

function refuse(path: string, problem: string, bytes: number, cause?: unknown): KVPolicyError {
  return new KVPolicyError({
    code: "config",
    message: `The file ${basename(path)} ${problem}.`,
    details: { option: "restore", value: { file: basename(path), bytes } },
    cause,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
