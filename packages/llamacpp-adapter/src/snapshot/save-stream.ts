import { KVPolicyError, type CacheStream } from "@kvpolicy/core";

import type { OwnedBackend } from "../open-backend.js";
import type { SamplingSeeds } from "./sampling-seeds.js";
import type { LlamaSampling } from "../sampling.js";
import { writeSnapshotFile } from "./snapshot-file.js";

/** Options of `save`. */
export interface SaveOptions {
  /**
   * Data of the caller's that travels with the snapshot, a transcript say, and comes back as `restored.extra`: what `JSON.stringify`
   * makes of it at the time of the call.
   */
  readonly extra?: unknown;
}

/** What a save writes down. */
interface Parts {
  readonly stream: CacheStream<LlamaSampling>;
  readonly backend: OwnedBackend;
  readonly bos: number | undefined;
  readonly seeds: SamplingSeeds;
}

/** The stream's `save`. Snapshots are taken in call order, as all calls on a stream, and written one after the other. */
export function createSave({
  stream,
  backend,
  bos,
  seeds,
}: Parts): (path: string, options?: SaveOptions) => Promise<void> {
  let seedsThen = seeds.state;
  const saveState = backend.saveState.bind(backend);
  // The stream's lock is held here, and not any more when its snapshot arrives: a `generate` may have begun by then.
  backend.saveState = () => {
    seedsThen = seeds.state;
    return saveState();
  };
  let lastWrite: Promise<void> = Promise.resolve();
  return async (path, { extra } = {}) => {
    const data = copyAsJson(extra);
    const snapshot = await stream.snapshot();
    const state = seedsThen;
    const { truncate, batch } = backend.capabilities;
    if (truncate !== true && !snapshot.held) {
      // Without the logits of its last token, and without going back to it, a restored stream could not go on.
      const reason = `${truncate}: such a stream can be saved right after a generated token, and not after one that was appended`;
      throw new KVPolicyError({
        code: "unsupported",
        message: `save is not supported: ${reason}.`,
        details: { feature: "save", reason },
      });
    }
    const origin = await backend.origin();
    const { threads } = backend;
    const write = lastWrite.then(() =>
      writeSnapshotFile(path, {
        snapshot,
        bos: bos ?? null,
        seeds: state,
        origin,
        threads,
        batch,
        extra: data,
      }),
    );
    lastWrite = write.catch(() => undefined);
    await write;
  };
}

function copyAsJson(extra: unknown): unknown {
  if (extra === undefined) return undefined;
  try {
    return JSON.parse(JSON.stringify(extra));
  } catch (cause) {
    throw new KVPolicyError({
      code: "config",
      message: `extra must be what JSON can hold: ${cause instanceof Error ? cause.message : String(cause)}.`,
      details: { option: "extra", value: extra },
      cause,
    });
  }
}
