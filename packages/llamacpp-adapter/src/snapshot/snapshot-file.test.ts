import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { readSnapshotFile, writeSnapshotFile, type SnapshotContent } from "./snapshot-file.js";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-snapshot-"));
  path = join(folder, "stream.kv");
});
afterEach(() => rm(folder, { recursive: true }));

const content: SnapshotContent = {
  snapshot: {
    version: 1,
    policy: { name: "sink-window", shape: "opaque", options: { sinks: 4 } },
    budget: 16,
    position: 2 ** 40 + 1,
    tokens: Uint32Array.of(1, 2 ** 32 - 1, 7),
    positions: Float64Array.of(0, 5, 2 ** 40),
    nlls: Float64Array.of(NaN, 0.1 + 0.2, Infinity),
    marks: [
      { name: "bos", start: 0, end: 1 },
      { name: "an “odd” name", start: 9, end: 2 ** 50 },
    ],
    held: null,
    lastEviction: -1,
    state: Uint8Array.from({ length: 100 }, (_, index) => (index * 37) % 256),
  },
  bos: 0,
  seeds: { seed: 7, position: -1, repeats: 0 },
  origin: { model: "f00d", modelName: "tiny", keyType: "F16", valueType: "F32", flashAttention: false },
  threads: 2,
  batch: 256,
  extra: { said: ["Ω", null, 1.5] },
};

const refusal = (message: RegExp): object => ({
  code: "config",
  message: expect.stringMatching(message) as unknown,
  details: { option: "restore" },
});

describe("a snapshot file", () => {
  test("gives back what was written, with its date and versions", async () => {
    const before = Date.now();
    await writeSnapshotFile(path, content);
    const { date, versions, ...rest } = await readSnapshotFile(path);
    expect(rest).toEqual(content);
    expect(Date.parse(date)).toBeGreaterThanOrEqual(before);
    expect(versions.adapter).toMatch(/^\d+\.\d+\.\d+/);
    expect(versions.nodeLlamaCpp).toMatch(/^3\.\d+\.\d+/);
  });

  test.each([0.25, NaN, Infinity])("keeps the likelihood %d of a held token", async (nll) => {
    const held = { token: 3, position: 9, nll };
    await writeSnapshotFile(path, { ...content, snapshot: { ...content.snapshot, held, nlls: null } });
    const { snapshot } = await readSnapshotFile(path);
    expect(snapshot.held).toEqual(held);
    expect(snapshot.nlls).toBeNull();
  });

  test("gives back an empty stream", async () => {
    const none = { tokens: new Uint32Array(), positions: new Float64Array(), nlls: null, marks: [] };
    const snapshot = { ...content.snapshot, ...none, state: new Uint8Array() };
    await writeSnapshotFile(path, { ...content, snapshot });
    expect((await readSnapshotFile(path)).snapshot).toEqual(snapshot);
  });

  test("gives back any numbers", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint32Array(),
        fc.float64Array(),
        fc.uint8Array({ size: "large" }),
        fc.jsonValue(),
        async (tokens, positions, state, extra) => {
          const snapshot = { ...content.snapshot, tokens, positions, nlls: positions, state };
          await writeSnapshotFile(path, { ...content, snapshot, extra });
          const read = await readSnapshotFile(path);
          expect(read.snapshot).toEqual(snapshot);
          expect(JSON.stringify(read.extra)).toBe(JSON.stringify(extra));
        },
      ),
      { numRuns: 50 },
    );
  });

  test("is laid out as the documentation says", async () => {
    await writeSnapshotFile(path, content);
    const bytes = await readFile(path);
    expect(bytes.toString("latin1", 0, 8)).toBe("KVPSNAPS");
    expect(bytes.readUInt32LE(8)).toBe(1);
    const headerEnd = 24 + bytes.readUInt32LE(12);
    expect(bytes.readBigUInt64LE(16)).toBe(BigInt(bytes.length));
    const { header, sections } = JSON.parse(bytes.toString("utf8", 24, headerEnd)) as {
      header: { stream: object };
      sections: [string, number][];
    };
    expect(header.stream).toMatchObject({ budget: 16, policy: { name: "sink-window" } });
    expect(sections).toEqual([
      ["tokens", 12],
      ["positions", 24],
      ["nlls", 24],
      ["state", 100],
    ]);
    expect(bytes.readUInt32LE(headerEnd + 4)).toBe(2 ** 32 - 1);
    expect(bytes.readDoubleLE(headerEnd + 12 + 8)).toBe(5);
    expect(bytes.length).toBe(headerEnd + 160 + 32);
    const digest = createHash("sha256").update(bytes.subarray(0, -32)).digest();
    expect(bytes.subarray(-32)).toEqual(digest);
  });
});

describe("reading refuses", () => {
  let bytes: Uint8Array;
  beforeEach(async () => {
    await writeSnapshotFile(path, content);
    bytes = await readFile(path);
  });

  async function readChanged(change: (copy: Buffer) => Uint8Array): Promise<unknown> {
    await writeFile(path, change(Buffer.from(bytes)));
    return readSnapshotFile(path);
  }

  test("a flipped bit anywhere", async () => {
    for (let position = 0; position < bytes.length; position += 1) {
      const flip = readChanged((copy) => {
        copy[position]! ^= 1 << ((position * 5) % 8);
        return copy;
      });
      await expect(flip, `byte ${position}`).rejects.toMatchObject(
        refusal(
          position < 8
            ? /is not a snapshot: its \d+ bytes begin with/
            : position < 12
              ? /has format version \d+, and this is version 1/
              : position < 16
                ? /is damaged/
                : position < 24
                  ? /is truncated|is damaged/
                  : /is damaged: its bytes do not match their digest/,
        ),
      );
    }
  });

  test("a file cut anywhere, and says how much of it is there", async () => {
    const cuts = [0, 1, 7, 8, 9, 23, 24, 25, bytes.length - 33, bytes.length - 32, bytes.length - 1];
    for (const length of cuts) {
      await expect(readChanged((copy) => copy.subarray(0, length))).rejects.toMatchObject(
        refusal(
          new RegExp(`stream.kv is truncated: it has ${length} bytes of at least (24|${bytes.length})\\.`),
        ),
      );
    }
  });

  test("bytes behind its end", async () => {
    const longer = readChanged((copy) => Buffer.concat([copy, Buffer.of(0)]));
    await expect(longer).rejects.toMatchObject(refusal(/is damaged: it has \d+ bytes where it promises/));
  });

  test("another version, and names both", async () => {
    const other = readChanged((copy) => {
      copy.writeUInt32LE(2, 8);
      return copy;
    });
    await expect(other).rejects.toMatchObject(refusal(/has format version 2, and this is version 1/));
  });

  test("what is no snapshot", async () => {
    const other = readChanged(() => Buffer.from("GGUF and so on"));
    await expect(other).rejects.toMatchObject(
      refusal(/stream.kv is not a snapshot: its 14 bytes begin with "GGUF and"/),
    );
  });

  test("what is not there, and what is no file, with the cause", async () => {
    await expect(readSnapshotFile(join(folder, "none"))).rejects.toMatchObject({
      ...refusal(/none cannot be read: ENOENT/),
      cause: { code: "ENOENT" },
    });
    await expect(readSnapshotFile(folder)).rejects.toMatchObject(refusal(/is not a file/));
  });
});

describe("writing", () => {
  const namesLeft = (): Promise<string[]> => readdir(folder);

  test("leaves one file, which only its owner may read", async () => {
    await writeSnapshotFile(path, content);
    await writeSnapshotFile(path, { ...content, extra: "second" });
    expect(await namesLeft()).toEqual(["stream.kv"]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await readSnapshotFile(path)).extra).toBe("second");
  });

  test("at once to one path leaves one of the two, whole", async () => {
    await Promise.all(["first", "second"].map((extra) => writeSnapshotFile(path, { ...content, extra })));
    expect(["first", "second"]).toContain((await readSnapshotFile(path)).extra);
    expect(await namesLeft()).toEqual(["stream.kv"]);
  });

  test("fails with the cause, and leaves nothing behind", async () => {
    const refused = { code: "config", details: { option: "path" } };
    const missing = writeSnapshotFile(join(folder, "none", "stream.kv"), content);
    await expect(missing).rejects.toMatchObject({ ...refused, cause: { code: "ENOENT" } });
    // The bytes are all written by the time that the name turns out to be taken by a folder.
    await mkdir(join(path, "full"), { recursive: true });
    await expect(writeSnapshotFile(path, content)).rejects.toMatchObject(refused);
    expect(await namesLeft()).toEqual(["stream.kv"]);
  });

  test("removes what a killed process left, and not what a running one writes", async () => {
    const dead = spawnSync(process.execPath, ["--version"]).pid;
    const kept = [`stream.kv.${process.ppid}-1.tmp`, `other.kv.${dead}-1.tmp`, `stream.kv.${dead}-1.tmp.txt`];
    for (const name of [...kept, `stream.kv.${dead}-1.tmp`, `stream.kv.${dead}-20.tmp`]) {
      await writeFile(join(folder, name), "half a snapshot");
    }
    await writeSnapshotFile(path, content);
    expect((await namesLeft()).sort()).toEqual([...kept, "stream.kv"].sort());
  });
});
