import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { createTemporaryFolder, tinyModelPath } from "../testing/models.js";
import { checkModelFile } from "./model-file.js";

let folder: Awaited<ReturnType<typeof createTemporaryFolder>>;
let model: Buffer;

beforeAll(async () => {
  folder = await createTemporaryFolder();
  model = await readFile(tinyModelPath);
});

afterAll(() => folder.remove());

async function written(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder.path, name);
  await writeFile(path, bytes);
  return path;
}

describe("checkModelFile", () => {
  test("accepts a whole model", async () => {
    await expect(checkModelFile(tinyModelPath)).resolves.toBeUndefined();
  });

  test.each([
    [
      "a missing file",
      () => Promise.resolve(join(folder.path, "missing.gguf")),
      /missing.gguf cannot be read/,
    ],
    ["a folder", () => Promise.resolve(folder.path), /is not a file/],
    ["an empty file", () => written("empty.gguf", new Uint8Array()), /0 bytes begin with ""/],
    ["another format", () => written("other.gguf", Buffer.from("PK\u0003\u0004 zip")), /not a GGUF file/],
    [
      "a header that ends too early",
      () => written("header.gguf", model.subarray(0, 5000)),
      /is truncated: it has 5000 bytes|ends inside its header/,
    ],
    [
      "weights that end too early",
      () => written("weights.gguf", model.subarray(0, model.length - 200_000)),
      /is truncated: it has 1702048 bytes where/,
    ],
    [
      "weights that lack a byte",
      () => written("byte.gguf", model.subarray(0, model.length - 1)),
      /is truncated: it has 1902047 bytes where its header promises at least 1902048/,
    ],
  ])("refuses %s", async (_, create, message) => {
    const path = await create();
    await expect(checkModelFile(path)).rejects.toSatisfy((error: Error) => message.test(error.message));
    await expect(checkModelFile(path)).rejects.toMatchObject({
      code: "config",
      details: { option: "model" },
    });
  });
});
