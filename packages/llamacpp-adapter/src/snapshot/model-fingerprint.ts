import { createHash, type Hash } from "node:crypto";
import { open } from "node:fs/promises";
import { basename } from "node:path";

import { KVPolicyError } from "@kvpolicy/core";
import type { GgufTensorInfo, LlamaModel } from "node-llama-cpp";

/** Bytes of one sample of the weights. */
const SAMPLE_BYTES = 64;
/** Samples spread evenly over the weights of a file, beside the one in the middle of each tensor. */
const EVEN_SAMPLES = 128;

/** What of a model a fingerprint is taken of. */
export type FingerprintedModel = Pick<LlamaModel, "filename" | "fileInfo">;

const fingerprints = new WeakMap<FingerprintedModel, Promise<string>>();

/**
 * What tells a model from another, 64 hexadecimal digits: the metadata (overrides of the caller included), names, shapes, types and
 * places of the tensors, the size of each file, and samples of the weights: 64 bytes from the middle of each tensor and from 128 places
 * spread over each file. So a fine-tune is told apart when it changes a tensor as a whole; a few numbers changed by hand may not be.
 * A file of many gigabytes is never read whole. The answer is kept for the model's life.
 *
 * @throws {KVPolicyError} `config` when the model's file cannot be read any more.
 */
export function fingerprintModel(model: FingerprintedModel): Promise<string> {
  const known = fingerprints.get(model);
  if (known) return known;
  const fingerprint = computeFingerprint(model).catch((cause: unknown) => {
    fingerprints.delete(model);
    throw new KVPolicyError({
      code: "config",
      message: `The file of the model ${nameOf(model)} cannot be read any more, so that its weights cannot be told from others.`,
      details: { option: "model", value: { file: model.filename } },
      cause,
    });
  });
  fingerprints.set(model, fingerprint);
  return fingerprint;
}

/** The name of the model's file without its folder, else its name in the metadata. */
export function nameOf({ filename, fileInfo }: FingerprintedModel): string {
  return filename === undefined ? (fileInfo.metadata.general.name ?? "without a name") : basename(filename);
}

async function computeFingerprint({ fileInfo }: FingerprintedModel): Promise<string> {
  const hash = createHash("sha256");
  const tensors = fileInfo.fullTensorInfo ?? fileInfo.tensorInfo ?? [];
  hash.update(toJson(fileInfo.metadata));
  hash.update(
    toJson(tensors.map(({ name, dimensions, ggmlType, offset }) => [name, dimensions, ggmlType, offset])),
  );
  // Metadata that came from elsewhere than a file has no weights beside it.
  for (const [index, source] of fileInfo.sourceData.entries()) {
    if (source.type !== "path") continue;
    const inThisPart = tensors.filter(({ filePart }) => filePart === index + 1);
    await sampleFile(hash, source.path, source.length, inThisPart);
  }
  return hash.digest("hex");
}

async function sampleFile(
  hash: Hash,
  path: string,
  dataStart: number,
  tensors: readonly GgufTensorInfo[],
): Promise<void> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    hash.update(`${size};`);
    const starts = tensors
      .map(({ fileOffset }) => Number(fileOffset))
      .sort((first, second) => first - second);
    const middles = starts.map((start, index) => (start + (starts[index + 1] ?? size)) / 2);
    const even = Array.from(
      { length: EVEN_SAMPLES },
      (_, index) => dataStart + ((size - dataStart) * (index + 0.5)) / EVEN_SAMPLES,
    );
    const sample = Buffer.alloc(SAMPLE_BYTES);
    for (const place of [...middles, ...even]) {
      const { bytesRead } = await file.read(sample, 0, SAMPLE_BYTES, Math.floor(place));
      hash.update(sample.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** JSON, with the numbers beyond 2⁵³ that metadata may hold. */
function toJson(value: unknown): string {
  return JSON.stringify(value, (_, entry: unknown) => (typeof entry === "bigint" ? `${entry}n` : entry));
}
