import type { LlamaModel } from "node-llama-cpp";

import { CACHE_TYPES } from "../cache-types.js";
import { fingerprintModel, nameOf } from "./model-fingerprint.js";
import { refuse } from "../open-backend.js";
import type { OpenStreamOptions } from "../open-stream.js";
import type { SnapshotFile } from "./snapshot-file.js";

/**
 * The options of a stream that goes on from a snapshot: what is left out is taken from the snapshot.
 *
 * @throws {KVPolicyError} `config` when the snapshot is of another model, or an option contradicts it.
 */
export async function restoreOptions(
  model: LlamaModel,
  options: OpenStreamOptions,
  { snapshot, bos, seeds, origin }: SnapshotFile,
): Promise<OpenStreamOptions> {
  const own = nameOf(model);
  if (origin.model !== (await fingerprintModel(model))) {
    const contents = origin.modelName === own ? " with other contents" : "";
    throw refuse(
      "restore",
      options.restore,
      `The snapshot was taken of the model ${origin.modelName}, and this is ${own}${contents}.`,
    );
  }
  const saved = {
    keyType: findCacheType(origin.keyType),
    valueType: findCacheType(origin.valueType),
    flashAttention: origin.flashAttention,
    budget: snapshot.budget,
    bos: bos !== null,
    seed: seeds.seed,
  };
  const given = { ...options, budget: options.budget ?? options.policy.budget };
  for (const option of Object.keys(saved) as (keyof typeof saved)[]) {
    const value = given[option];
    if (value === undefined || value === saved[option]) continue;
    throw refuse(
      option,
      value,
      `The snapshot was taken with ${option} ${saved[option]}, and this is ${value}.`,
    );
  }
  return { ...options, ...saved };
}

function findCacheType(name: string): (typeof CACHE_TYPES)[number] | undefined {
  return CACHE_TYPES.find((type) => type === name);
}
