import { basename } from "node:path";

import { KVPolicyError } from "@kvpolicy/core";
import { inspectModel, openBackend, type ModelInspection } from "@kvpolicy/llamacpp-adapter";

import type { InspectCommandOptions } from "./inspect-options.js";
import { loadLlama } from "./load-llama.js";
import { badOption } from "./report-error.js";

/** What a probe is told. */
export interface ProbeOptions extends Pick<InspectCommandOptions, "keys" | "flashAttention" | "gpu"> {
  /** Path of the model file. */
  readonly path: string;
}

/** What a probe says: how far it came, and at last the answer or why there is none. */
export type ProbeMessage =
  | { readonly stage: "decoded" }
  | { readonly inspection: ModelInspection }
  | { readonly problem: { readonly config: boolean; readonly message: string; readonly option: string } };

const CELLS = 256;
const TOKENS = 40;

/**
 * Loads a model and tries it: decodes, which every policy needs, then moves keys where the metadata let it. A failed assertion in native
 * code ends the process, so that this runs in a process of its own.
 */
export async function probeModel(options: ProbeOptions, say: (message: ProbeMessage) => void): Promise<void> {
  try {
    say({ inspection: await tryModel(options, say) });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const isConfig = KVPolicyError.isInstance(error, "config");
    say({ problem: { config: isConfig, message, option: isConfig ? error.details.option : "" } });
  }
}

async function tryModel(
  { path, keys, flashAttention, gpu }: ProbeOptions,
  say: (message: ProbeMessage) => void,
): Promise<ModelInspection> {
  const llama = await loadLlama(gpu);
  try {
    const model = await llama.loadModel({ modelPath: path }).catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `llama.cpp refuses the model file ${basename(path)}, which may be damaged: ${reason}.`;
      throw badOption("model", basename(path), message, cause);
    });
    const options = { keyType: keys, flashAttention };
    const { dense } = await inspectModel(path, options);
    if (dense.fidelity !== "unsupported") {
      const backend = await openBackend(model, { capacity: CELLS, selfTest: false, ...options });
      const { vocabularySize } = backend.capabilities;
      await backend.decode(Uint32Array.from({ length: TOKENS }, (_, index) => index % vocabularySize));
      await backend.dispose();
      say({ stage: "decoded" });
    }
    return await inspectModel(model, options);
  } finally {
    await llama.dispose();
  }
}
