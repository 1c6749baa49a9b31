import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { tinyModels } from "@kvpolicy/tiny-models";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";

import type { GgufSource } from "./byte-source.js";
import { openGguf } from "./gguf-file.js";
import { halfToSingle } from "./half-precision.js";
import { stringArray, uint32, uint64 } from "./testing/gguf-values.js";
import { writeGguf } from "./testing/gguf-writer.js";

const tinyPath = fileURLToPath(tinyModels.sink.url);
let tiny: Uint8Array;
let folder: string;

beforeAll(async () => {
  tiny = new Uint8Array(await readFile(tinyPath));
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Size of the tiny model's header: its tensor data begin there. */
const HEADER = 29_664;

describe("openGguf", () => {
  let server: Server | undefined;
  const requests: (string | undefined)[] = [];

  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
    requests.length = 0;
  });

  async function serve({ ranges, total = true }: { ranges: boolean; total?: boolean }): Promise<URL> {
    server = createServer(({ headers, url }, response) => {
      if (url !== "/sink.gguf") return response.writeHead(404).end();
      requests.push(headers.range);
      const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "");
      if (!ranges || !range) return response.end(tiny);
      const [start, end] = [Number(range[1]), Math.min(Number(range[2]), tiny.length - 1)];
      return response
        .writeHead(206, { "Content-Range": `bytes ${start}-${end}/${total ? tiny.length : "*"}` })
        .end(tiny.subarray(start, end + 1));
    });
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/sink.gguf`);
  }

  async function expectTiny(source: GgufSource): Promise<void> {
    const file = await openGguf(source);
    expect(file.metadata).toMatchObject({
      "general.architecture": "llama",
      "llama.block_count": 4,
      "tokenizer.ggml.add_bos_token": true,
      "tokenizer.ggml.bos_token_id": 0,
    });
    expect(file.metadata["tokenizer.ggml.tokens"]).toHaveLength(1024);
    expect(Object.keys(file.metadata)).not.toContain("kv_count");
    expect(file.tensors.size).toBe(38);
    expect(file.tensors.get("token_embd.weight")).toEqual({
      name: "token_embd.weight",
      shape: [128, 1024],
      type: "F16",
    });
    const embeddings = await file.read("token_embd.weight");
    expect(embeddings).toHaveLength(128 * 1024);
    const halves = new Uint16Array(tiny.slice(HEADER, HEADER + 2 * 128 * 1024).buffer);
    expect(embeddings).toEqual(Float32Array.from(halves, halfToSingle));
    const normalisation = await file.read("output_norm.weight");
    const bytes = tiny.slice(HEADER + 262_144, HEADER + 262_144 + 4 * 128);
    expect(normalisation).toEqual(new Float32Array(bytes.buffer));
    await file.close();
    await file.close();
    await expect(file.read("output_norm.weight")).rejects.toMatchObject({ code: "disposed" });
  }

  test("reads a path", () => expectTiny(tinyPath));
  test("reads a file URL", () => expectTiny(tinyModels.sink.url));
  test("reads a Blob", () => expectTiny(new Blob([Uint8Array.from(tiny)])));
  test("reads an ArrayBuffer", () => expectTiny(Uint8Array.from(tiny).buffer));
  test("reads a Uint8Array that lies inside another", () => {
    const buffer = new Uint8Array(tiny.length + 20);
    buffer.set(tiny, 7);
    return expectTiny(buffer.subarray(7, 7 + tiny.length));
  });

  test("reads a blob URL", async () => {
    const url = URL.createObjectURL(new Blob([Uint8Array.from(tiny)]));
    await expectTiny(new URL(url));
    URL.revokeObjectURL(url);
  });

  test("reads ranges from a server that knows them", async () => {
    await expectTiny(await serve({ ranges: true }));
    expect(requests).toContain(`bytes=${HEADER + 262_144}-${HEADER + 262_144 + 511}`);
  });

  test("takes everything at once from a server that does not", async () => {
    await expectTiny(await serve({ ranges: false }));
    expect(requests).toHaveLength(1);
  });

  test("takes everything at once where the size is not told", async () => {
    await expectTiny(await serve({ ranges: true, total: false }));
    expect(requests).toEqual(["bytes=0-0", undefined]);
  });

  test("says what a server answers", async () => {
    const url = new URL("missing.gguf", await serve({ ranges: true }));
    await expect(openGguf(url)).rejects.toMatchObject({
      code: "config",
      message: "The model missing.gguf cannot be fetched: HTTP status 404.",
      details: { option: "model", value: { status: 404 } },
    });
  });

  test("says that a server cannot be reached", async () => {
    const url = await serve({ ranges: true });
    server!.close();
    server = undefined;
    await expect(openGguf(url)).rejects.toMatchObject({
      code: "config",
      message: "The model sink.gguf cannot be fetched.",
    });
  });

  test("leaves no answer of a server unread", async () => {
    const fetchAny = fetch;
    const answers: Response[] = [];
    const spy = vi.spyOn(globalThis, "fetch").mockImplementation(async (...request) => {
      const answer = await fetchAny(...request);
      answers.push(answer);
      return answer;
    });
    await expectTiny(await serve({ ranges: true, total: false }));
    spy.mockRestore();
    expect(answers.map(({ bodyUsed }) => bodyUsed)).toEqual([true, true]);
  });

  test("names a data URL without the data", async () => {
    await expect(openGguf(new URL("data:application/octet-stream;base64,AAAA"))).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(/^The model data: URL is not a GGUF file/) as string,
    });
  });

  test("lets go of a file that cannot be looked at", async () => {
    const other = await open(tinyPath);
    await other.close();
    const cause = new Error("gone");
    const stat = vi.spyOn(Object.getPrototypeOf(other) as typeof other, "stat").mockRejectedValueOnce(cause);
    await expect(openGguf(tinyPath)).rejects.toMatchObject({ code: "config", cause });
    const [file] = stat.mock.contexts as (typeof other)[];
    stat.mockRestore();
    expect(file?.fd).toBe(-1);
  });

  test("refuses a tensor that is not there", async () => {
    const file = await openGguf(tiny);
    await expect(file.read("blk.9.attn_q.weight")).rejects.toMatchObject({
      code: "config",
      details: { option: "name", value: "blk.9.attn_q.weight" },
    });
  });

  test("refuses a file that became shorter since it was opened", async () => {
    const path = join(folder, "shorter.gguf");
    await writeFile(path, tiny);
    const file = await openGguf(path);
    await writeFile(path, tiny.subarray(0, HEADER + 1000));
    await expect(file.read("token_embd.weight")).rejects.toMatchObject({
      code: "config",
      message: expect.stringContaining("became shorter") as string,
    });
    await file.close();
  });
});

describe("metadata", () => {
  test("keeps 64-bit integers exact", async () => {
    const { metadata } = await openGguf(
      writeGguf({ metadata: { small: uint64(7), large: uint64(2n ** 60n + 1n) }, tensors: [] }),
    );
    expect(metadata).toEqual({ small: 7, large: 2n ** 60n + 1n });
  });

  test("keeps the byte order marks of tokens", async () => {
    const tokens = ["the", "\uFEFF", "\uFEFFthe", "", "a\uFEFF", "é"];
    const contents = {
      metadata: { "general.name": "tokenizer.ggml.tokens", "tokenizer.ggml.tokens": stringArray(tokens) },
      tensors: [],
    };
    const { metadata } = await openGguf(writeGguf(contents));
    expect(metadata).toEqual({
      "general.name": "tokenizer.ggml.tokens",
      "tokenizer.ggml.tokens": tokens,
    });
  });

  test("reads a header of several megabytes", async () => {
    const tokens = Array.from({ length: 150_000 }, (_, id) => `token number ${id}, at some length`);
    const bytes = writeGguf({
      metadata: { "tokenizer.ggml.tokens": stringArray(tokens), after: uint32(1) },
      tensors: [{ name: "x", shape: [2], type: "F32", data: Float32Array.of(1, 2) }],
    });
    const file = await openGguf(bytes);
    expect(file.metadata["tokenizer.ggml.tokens"]).toEqual(tokens);
    expect(file.metadata["after"]).toBe(1);
    expect(await file.read("x")).toEqual(Float32Array.of(1, 2));
    await expect(openGguf(bytes.subarray(0, 3_000_000))).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(/has 3000000 bytes where the header takes at least \d+/) as string,
    });
  });
});

describe("refusals", () => {
  const small = (type: "F32" | "Q4_1" = "F32"): Uint8Array =>
    writeGguf({
      metadata: { "general.architecture": "llama" },
      tensors: [
        { name: "first", shape: [32, 2], type, data: new Float32Array(64) },
        { name: "second", shape: [32], type: "F32", data: new Float32Array(32) },
      ],
    });
  const withByte = (bytes: Uint8Array, offset: number, value: number): Uint8Array => {
    const changed = Uint8Array.from(bytes);
    changed[offset] = value;
    return changed;
  };
  /** Where the tensor list says something about a tensor: what follows its name. */
  const afterName = (bytes: Uint8Array, name: string): number =>
    Buffer.from(bytes).indexOf(name) + name.length;

  test.each<[string, () => GgufSource, RegExp]>([
    ["a missing file", () => join(folder, "missing.gguf"), /missing\.gguf cannot be read/],
    ["a folder", () => folder, /is not a file/],
    ["nothing", () => new Uint8Array(), /is not a GGUF file: its 0 bytes begin with ""/],
    ["another format", () => new TextEncoder().encode("PK\u0003\u0004 zip"), /begin with "PK\\u0003\\u0004"/],
    ["version 1", () => withByte(tiny, 4, 1), /has GGUF version 1, and versions 2 and 3 are read/],
    [
      "a big-endian file",
      () => withByte(withByte(tiny, 4, 0), 7, 3),
      /is big-endian GGUF \(version 3\), and little-endian is read/,
    ],
    ["an absurd number of entries", () => withByte(tiny, 22, 1), /header is damaged/],
    ["an absurd number of tensors", () => withByte(small(), 11, 255), /header is damaged/],
    ["an absurd dimension", () => withByte(small(), afterName(small(), "first") + 4 + 5, 1), /is damaged/],
    [
      "an offset outside the file",
      () => withByte(small(), afterName(small(), "second") + 4 + 8 + 4 + 3, 1),
      /is truncated: the tensor "second" ends at byte/,
    ],
    [
      "a row that is no whole number of blocks",
      () => withByte(small("Q4_1"), afterName(small(), "first") + 4, 33),
      /has rows of 33 elements in "first", and Q4_1 stores 32 at a time/,
    ],
    [
      "two tensors of one name",
      () => {
        const tensor = { name: "same", shape: [1], type: "F32", data: new Float32Array(1) } as const;
        const twin = { ...tensor, name: "sane" };
        const bytes = writeGguf({ metadata: {}, tensors: [tensor, twin] });
        return withByte(bytes, Buffer.from(bytes).indexOf("sane") + 2, "m".charCodeAt(0));
      },
      /has two tensors named "same"/,
    ],
    [
      "an alignment that is no power of two",
      () => writeGguf({ metadata: { "general.alignment": uint32(24) }, tensors: [] }),
      /has the alignment 24, which is no power of two/,
    ],
  ])("%s", async (_, create, message) => {
    await expect(openGguf(create())).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(message) as string,
      details: { option: "model", value: { bytes: expect.any(Number) as number } },
    });
  });

  test("a header cut anywhere", async () => {
    const bytes = writeGguf({
      metadata: { "general.architecture": "llama", words: stringArray(["one", "two"]), number: uint32(3) },
      // As many bytes as the alignment, so that no padding follows them.
      tensors: [{ name: "first", shape: [8], type: "F32", data: new Float32Array(8) }],
    });
    for (let length = 4; length < bytes.length; length += 1) {
      const refusal = await openGguf(bytes.subarray(0, length)).catch((error: unknown) => error);
      expect(refusal, `cut at ${length}`).toMatchObject({
        code: "config",
        message: expect.stringMatching(/ends inside its header|is truncated/) as string,
        details: { option: "model", value: { bytes: length } },
      });
    }
  });

  test("a header that promises megabytes which are not there", async () => {
    const bytes = writeGguf({ metadata: { t: stringArray([]) }, tensors: [] });
    // The number of strings follows the key, the type of the value and the type of its elements.
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(24 + 8 + 1 + 4 + 4, 1_000_000, true);
    await expect(openGguf(bytes)).rejects.toMatchObject({
      code: "config",
      message: expect.stringContaining("takes at least 4000000") as string,
    });
  });

  test("the tiny model cut at many lengths, from a file", async () => {
    const path = join(folder, "cut.gguf");
    for (let length = 4; length < tiny.length; length = Math.ceil(length * 1.3)) {
      await writeFile(path, tiny.subarray(0, length));
      await expect(openGguf(path), `cut at ${length}`).rejects.toMatchObject({
        code: "config",
        message: expect.stringContaining(
          length < HEADER - 32 ? "ends inside its header" : "is truncated",
        ) as string,
        details: { value: { file: "cut.gguf", bytes: length } },
      });
    }
  });

  test("weights that lack one byte, with the tensor and both numbers", async () => {
    await expect(openGguf(tiny.subarray(0, -1))).rejects.toMatchObject({
      message: expect.stringMatching(
        /is truncated: the tensor ".+" ends at byte 1902048, and there are 1902047 bytes/,
      ) as string,
      details: { value: { bytes: 1_902_047, promised: 1_902_048, tensor: expect.any(String) as string } },
    });
  });

  test.each([
    [14, "Q6_K"],
    [99, "99"],
  ])("tensor type %i", async (type, name) => {
    const bytes = withByte(small(), afterName(small(), "first") + 4 + 16, type);
    await expect(openGguf(bytes)).rejects.toMatchObject({
      code: "unsupported",
      details: {
        feature: `tensor type ${name}`,
        reason: `first (${name}); these are read: F32, F16, Q4_0, Q4_1, Q8_0, BF16`,
      },
    });
  });
});
