import { KVPolicyError } from "@kvpolicy/core";

import { countBytes, seal, SealBroken, unseal } from "./sealed-bytes.js";

/** What cells are tied to: llama.cpp reads them back as anything else without a word, or ends the process. */
export interface CellsOrigin {
  /** Fingerprint of the model. */
  readonly model: string;
  /** Name of the model, for messages. */
  readonly modelName: string;
  /** Type of the keys. */
  readonly keyType: string;
  /** Type of the values. */
  readonly valueType: string;
  /** Flash attention, which decides how values lie in memory. */
  readonly flashAttention: boolean;
}

const FORMAT = { magic: "KVPCELLS", version: 1, noun: "saved state" };

/** The engine's own bytes of so many cells, with what they are tied to and a digest of it all. */
export function sealCells(origin: CellsOrigin, cells: number, native: Uint8Array): Uint8Array {
  const parts = seal(FORMAT, { ...origin, cells }, { native });
  const bytes = new Uint8Array(countBytes(parts));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}

/**
 * The engine's own bytes, once it is sure that they are what was saved and that they fit.
 *
 * @throws {KVPolicyError} `config` for bytes that are no saved cells, or damaged, of another model, of other types, or too many.
 */
export function unsealCells(
  state: Uint8Array,
  origin: CellsOrigin,
  capacity: number,
): { readonly cells: number; readonly native: Uint8Array } {
  const refuse = (problem: string, cause?: unknown): KVPolicyError =>
    new KVPolicyError({
      code: "config",
      message: `The saved cells cannot be loaded: ${problem}.`,
      details: { option: "state", value: { bytes: state.byteLength } },
      cause,
    });
  let opened;
  try {
    opened = unseal(FORMAT, state);
  } catch (cause) {
    if (cause instanceof SealBroken) throw refuse(`the state ${cause.message}`, cause);
    throw cause;
  }
  const { cells, ...saved } = opened.header as CellsOrigin & { readonly cells: number };
  const problem = findOriginProblem(saved, origin);
  if (problem !== undefined) throw refuse(problem);
  if (cells > capacity) throw refuse(`they are ${cells} cells, and the backend holds ${capacity}`);
  return { cells, native: opened.sections.get("native") ?? new Uint8Array(0) };
}

/** Why cells of one origin are nothing to another, in words, or `undefined`. */
function findOriginProblem(saved: CellsOrigin, own: CellsOrigin): string | undefined {
  if (saved.model !== own.model) {
    const names = `${saved.modelName}, and this is ${own.modelName}`;
    return `they are of the model ${names}${saved.modelName === own.modelName ? " with other contents" : ""}`;
  }
  for (const [what, key] of [
    ["keys", "keyType"],
    ["values", "valueType"],
  ] as const) {
    if (saved[key] !== own[key]) return `their ${what} are ${saved[key]}, and these are ${own[key]}`;
  }
  if (saved.flashAttention === own.flashAttention) return undefined;
  return saved.flashAttention
    ? "they were computed with flash attention, and this is without"
    : "they were computed without flash attention, and this is with it";
}
