import { totalmem } from "node:os";

import type { GgufMetadata, LlamaModel } from "node-llama-cpp";

import type { CacheType } from "./cache-types.js";
import { readSettings } from "./settings.js";

const BITS: Readonly<Record<CacheType, number>> = { F32: 32, F16: 16, BF16: 16, Q8_0: 8.5, Q4_0: 4.5 };

/** Numbers in a key and in a value of one head; undefined where the metadata does not say. */
export function readHeadSizes(metadata: GgufMetadata): {
  readonly key: number | undefined;
  readonly value: number | undefined;
} {
  const settings = readSettings(metadata);
  const heads = settings("attention.head_count");
  const shared = Number(settings("embedding_length")) / Number(Array.isArray(heads) ? heads[0] : heads);
  const sizeOf = (key: string): number | undefined => {
    const size = Number(settings(key) ?? shared);
    return Number.isFinite(size) ? size : undefined;
  };
  return { key: sizeOf("attention.key_length"), value: sizeOf("attention.value_length") };
}

/** Bytes that keys and values of one cell take in all layers; undefined when the metadata does not say. */
export function bytesPerCell(
  metadata: GgufMetadata,
  keyType: CacheType,
  valueType: CacheType,
): number | undefined {
  const settings = readSettings(metadata);
  const layers = Number(settings("block_count"));
  const heads = settings("attention.head_count");
  const keyValueHeads = settings("attention.head_count_kv") ?? heads;
  const headsInAll = Array.isArray(keyValueHeads)
    ? keyValueHeads.reduce<number>((sum, count) => sum + Number(count), 0)
    : layers * Number(keyValueHeads);
  const { key = NaN, value = NaN } = readHeadSizes(metadata);
  const bytes = (headsInAll * (key * BITS[keyType] + value * BITS[valueType])) / 8;
  return Number.isFinite(bytes) ? bytes : undefined;
}

/** Bytes of memory that the machine and its GPUs have together. */
export async function installedBytes(model: LlamaModel): Promise<number> {
  const { total } = await model.llama.getVramState();
  return totalmem() + total;
}
