import type fileSystem from "node:fs/promises";

import { KVPolicyError } from "@kvpolicy/core";

/**
 * Where a model's bytes are: a path (Node), a URL (`file:` in Node, otherwise whatever `fetch` can get: `http:`,
 * `https:`, `blob:`, `data:`), or the bytes themselves.
 */
export type GgufSource = string | URL | Blob | ArrayBuffer | Uint8Array;

/** Bytes that are read piece by piece. */
export interface ByteSource {
  /** What to call it in a message: the file's name without its folders, or what it is. */
  readonly name: string;
  /** Number of bytes. */
  readonly size: number;
  /**
   * The bytes from `start` up to and without `end`, both within the size.
   *
   * @throws {KVPolicyError} `config` when they cannot be read any more.
   */
  read(start: number, end: number): Promise<Uint8Array>;
  /** Lets go of the file, if there is one. */
  close(): Promise<void>;
}

/**
 * Opens a source of bytes. A file and a server that knows byte ranges are read on demand; from any other server
 * everything is fetched at once.
 *
 * @throws {KVPolicyError} `config` when there is nothing to read, `unsupported` for a path where there are no files.
 */
export async function openByteSource(source: GgufSource): Promise<ByteSource> {
  const opened = await openAny(source);
  return {
    ...opened,
    read: (start, end) =>
      opened.read(start, end).catch((cause: unknown) => {
        if (KVPolicyError.isInstance(cause)) throw cause;
        throw refuseModel(opened, `cannot be read from byte ${start} to ${end}`, { start, end }, cause);
      }),
  };
}

function openAny(source: GgufSource): Promise<ByteSource> {
  if (typeof source === "string" || (source instanceof URL && source.protocol === "file:"))
    return openFile(source);
  if (source instanceof URL) return openRemote(source);
  return Promise.resolve(source instanceof Blob ? fromBlob(nameOf(source), source) : fromBytes(source));
}

/** A refusal of a model's bytes: what is wrong, and the numbers that show it. */
export function refuseModel(
  { name, size }: Pick<ByteSource, "name" | "size">,
  problem: string,
  numbers: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): KVPolicyError {
  return new KVPolicyError({
    code: "config",
    message: `The model ${name} ${problem}.`,
    details: { option: "model", value: { file: name, bytes: size, ...numbers } },
    cause,
  });
}

function lastSegment(path: string): string {
  return path.split(/[\\/]/).findLast((segment) => segment !== "") ?? path;
}

const IN_MEMORY = "in memory";

function nameOf(blob: Blob): string {
  return "name" in blob && typeof blob.name === "string" ? blob.name : IN_MEMORY;
}

function fromBytes(source: ArrayBuffer | Uint8Array): ByteSource {
  const bytes = source instanceof Uint8Array ? source : new Uint8Array(source);
  return {
    name: IN_MEMORY,
    size: bytes.length,
    read: (start, end) => Promise.resolve(bytes.subarray(start, end)),
    close: () => Promise.resolve(),
  };
}

function fromBlob(name: string, blob: Blob): ByteSource {
  return {
    name,
    size: blob.size,
    read: async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer()),
    close: () => Promise.resolve(),
  };
}

async function openFile(path: string | URL): Promise<ByteSource> {
  const name = lastSegment(path instanceof URL ? path.pathname : path);
  const nothing = { name, size: 0 };
  const { open } = await importFileSystem();
  const file = await open(path).catch((cause: unknown) => {
    throw refuseModel(nothing, "cannot be read", {}, cause);
  });
  const found = await file.stat().catch(async (cause: unknown) => {
    await file.close();
    throw refuseModel(nothing, "cannot be read", {}, cause);
  });
  if (!found.isFile()) {
    await file.close();
    throw refuseModel(nothing, "is not a file");
  }
  const { size } = found;
  return {
    name,
    size,
    read: async (start, end) => {
      const bytes = new Uint8Array(end - start);
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled);
        if (bytesRead === 0)
          throw refuseModel({ name, size }, `became shorter: nothing was left at byte ${start + filled}`);
        filled += bytesRead;
      }
      return bytes;
    },
    close: () => file.close(),
  };
}

/** Node's file system, asked for only when a path is: a browser has none, and a bundle for it must load without. */
async function importFileSystem(): Promise<typeof fileSystem> {
  const found = await import("node:fs/promises").catch(() => undefined);
  // Bundlers put an empty module in its place.
  if (found && "open" in found) return found;
  throw new KVPolicyError({
    code: "unsupported",
    message: "There are no files here: give a URL, a Blob or the bytes instead of a path.",
    details: { feature: "paths", reason: "the platform has no file system" },
  });
}

function download(name: string, response: Response): Promise<Blob> {
  return response.blob().catch((cause: unknown) => {
    throw refuseModel({ name, size: 0 }, "came incomplete", {}, cause);
  });
}

async function openRemote(url: URL): Promise<ByteSource> {
  // The path of a data URL is the bytes themselves.
  const name = url.protocol === "data:" ? "data: URL" : lastSegment(url.pathname);
  const request = async (headers: Record<string, string> = {}): Promise<Response> => {
    const response = await fetch(url, { headers }).catch((cause: unknown) => {
      throw refuseModel({ name, size: 0 }, "cannot be fetched", {}, cause);
    });
    if (!response.ok)
      throw refuseModel({ name, size: 0 }, `cannot be fetched: HTTP status ${response.status}`, {
        status: response.status,
      });
    return response;
  };
  // Node answers ranges of a blob with one byte less, and no other kind of URL but http has ranges.
  if (!/^https?:$/.test(url.protocol)) return fromBlob(name, await download(name, await request()));
  const first = await request({ Range: "bytes=0-0" });
  // A browser shows this header of another origin only when the server lets it.
  const total = /\/(\d+)$/.exec(first.headers.get("Content-Range") ?? "")?.[1];
  if (first.status !== 206 || total === undefined) {
    if (first.status !== 206) return fromBlob(name, await download(name, first));
    // Left unread, it would hold its connection.
    await first.body?.cancel();
    return fromBlob(name, await download(name, await request()));
  }
  await first.arrayBuffer();
  const size = Number(total);
  return {
    name,
    size,
    read: async (start, end) => {
      if (start === end) return new Uint8Array();
      const response = await request({ Range: `bytes=${start}-${end - 1}` });
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (response.status !== 206 || bytes.length !== end - start)
        throw refuseModel(
          { name, size },
          `came incomplete: ${bytes.length} of ${end - start} bytes from byte ${start} (HTTP status ${response.status})`,
          { start, end, received: bytes.length, status: response.status },
        );
      return bytes;
    },
    close: () => Promise.resolve(),
  };
}
