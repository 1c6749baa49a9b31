import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import { randomModel, uint32, writeGguf } from "@kvpolicy/reference-backend/testing";
import { readGgufFileInfo, type GgufFileInfo } from "node-llama-cpp";
import { afterAll, beforeAll, expect, test } from "vitest";

import { fingerprintModel, nameOf, type FingerprintedModel } from "./model-fingerprint.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-fingerprint-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function write(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

/** A model as node-llama-cpp describes it. */
async function describeModel(path: string): Promise<FingerprintedModel & { fileInfo: GgufFileInfo }> {
  const fileInfo = await readGgufFileInfo(path, { sourceType: "filesystem", logWarnings: false });
  return { filename: basename(path), fileInfo };
}

const fingerprint = async (path: string): Promise<string> => fingerprintModel(await describeModel(path));

const options = { architecture: "llama", seed: 1 } as const;

test("is the same for a copy of the file under another name", async () => {
  const path = await write("model.gguf", randomModel(options));
  const copy = join(folder, "copy.gguf");
  await copyFile(path, copy);
  expect(await fingerprint(path)).toMatch(/^[0-9a-f]{64}$/);
  expect(await fingerprint(copy)).toBe(await fingerprint(path));
});

test("differs for other weights under the same metadata", async () => {
  const [first, second] = await Promise.all(
    [1, 2].map(async (seed) => write(`seed-${seed}.gguf`, randomModel({ ...options, seed }))),
  );
  const infos = await Promise.all([first, second].map((path) => describeModel(path!)));
  expect(infos[0]!.fileInfo.metadata).toEqual(infos[1]!.fileInfo.metadata);
  expect(await fingerprint(first!)).not.toBe(await fingerprint(second!));
});

test("differs when any one tensor has other weights", async () => {
  const path = await write("tensors.gguf", randomModel(options));
  const whole = await fingerprint(path);
  const { fileInfo } = await describeModel(path);
  const bytes = await readFile(path);
  const starts = fileInfo.tensorInfo!.map(({ fileOffset }) => Number(fileOffset)).sort((a, b) => a - b);
  expect(starts.length).toBeGreaterThan(15);
  for (const [index, start] of starts.entries()) {
    const changed = Buffer.from(bytes);
    for (let at = start; at < (starts[index + 1] ?? bytes.length); at += 1) changed[at]! ^= 1;
    expect(await fingerprint(await write("changed.gguf", changed)), `tensor at ${start}`).not.toBe(whole);
  }
});

test("differs for other metadata", async () => {
  const path = await write("metadata.gguf", randomModel(options));
  const model = await describeModel(path);
  const plain = await fingerprintModel(model);
  const overridden = structuredClone<unknown>(model.fileInfo.metadata) as {
    llama: { rope: { freq_base: number } };
  };
  overridden.llama.rope.freq_base *= 2;
  const fileInfo = { ...model.fileInfo, metadata: overridden as unknown as GgufFileInfo["metadata"] };
  expect(await fingerprintModel({ ...model, fileInfo })).not.toBe(plain);
});

test("looks at every file of a model in parts", async () => {
  const part = (index: number, fill: number): Uint8Array =>
    writeGguf({
      metadata: {
        ...(index === 0 && { "general.architecture": "llama" }),
        "split.no": uint32(index),
        "split.count": uint32(2),
      },
      tensors: [{ name: `t${index}`, shape: [64], type: "F32", data: new Float32Array(64).fill(fill) }],
    });
  const names = ["parts-00001-of-00002.gguf", "parts-00002-of-00002.gguf"] as const;
  const path = await write(names[0], part(0, 1));
  const seen = new Set<string>();
  for (const [first, second] of [
    [1, 1],
    [1, 2],
    [2, 1],
  ] as const) {
    await write(names[0], part(0, first));
    await write(names[1], part(1, second));
    const model = await describeModel(path);
    expect(model.fileInfo.splicedParts).toBe(2);
    seen.add(await fingerprintModel(model));
  }
  expect(seen.size).toBe(3);
});

test("is kept for the model's life, and says so when the file is gone before", async () => {
  const path = await write("gone.gguf", randomModel(options));
  const [known, late] = [await describeModel(path), await describeModel(path)];
  const before = await fingerprintModel(known);
  await rm(path);
  expect(await fingerprintModel(known)).toBe(before);
  await expect(fingerprintModel(late)).rejects.toMatchObject({
    code: "config",
    message: expect.stringMatching(/The file of the model gone.gguf cannot be read any more/) as unknown,
    details: { option: "model" },
    cause: { code: "ENOENT" },
  });
  await write("gone.gguf", randomModel(options));
  expect(await fingerprintModel(late)).toBe(before);
});

test("goes with the name of the file, or that in the metadata", async () => {
  const { fileInfo } = await describeModel(await write("named.gguf", randomModel(options)));
  expect(nameOf({ filename: "named.gguf", fileInfo })).toBe("named.gguf");
  expect(nameOf({ filename: undefined, fileInfo })).toBe("random llama");
});
