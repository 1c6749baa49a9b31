import { open, stat } from "node:fs/promises";
import { basename } from "node:path";

import { KVPolicyError } from "@kvpolicy/core";
import { GgufInsights, readGgufFileInfo } from "node-llama-cpp";

/**
 * Checks a GGUF file before llama.cpp sees it: that it is there, is GGUF, and holds all the bytes that its header promises.
 *
 * @throws {KVPolicyError} `config` with the reason and the number of bytes.
 */
export async function checkModelFile(path: string): Promise<void> {
  const refuse = (problem: string, bytes: number, cause?: unknown): KVPolicyError =>
    new KVPolicyError({
      code: "config",
      message: `The model file ${basename(path)} ${problem}.`,
      details: { option: "model", value: { file: basename(path), bytes } },
      cause,
    });
  const found = await stat(path).catch((cause: unknown) => {
    throw refuse("cannot be read", 0, cause);
  });
  if (!found.isFile()) throw refuse("is not a file", 0);
  const bytes = found.size;
  const magic = await readStart(path, 4);
  if (magic !== "GGUF")
    throw refuse(`is not a GGUF file: its ${bytes} bytes begin with ${JSON.stringify(magic)}`, bytes);

  let promised: number;
  try {
    const info = await readGgufFileInfo(path, {
      readTensorInfo: true,
      sourceType: "filesystem",
      logWarnings: false,
    });
    const { modelSize } = await GgufInsights.from(info);
    // A model in several files promises the bytes of all of them; llama.cpp tells which one is short.
    promised = info.splicedParts > 1 ? 0 : (info.infoEndOffset ?? info.metadataSize) + modelSize;
  } catch (cause) {
    throw refuse(`ends inside its header, or the header is damaged (${bytes} bytes)`, bytes, cause);
  }
  if (bytes < promised)
    throw refuse(`is truncated: it has ${bytes} bytes where its header promises at least ${promised}`, bytes);
}

async function readStart(path: string, length: number): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
    return buffer.toString("latin1", 0, bytesRead);
  } finally {
    await file.close();
  }
}
