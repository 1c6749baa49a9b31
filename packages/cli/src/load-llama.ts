import { getLlama, LlamaLogLevel, type Llama } from "node-llama-cpp";
import { z } from "zod";

import { badOption } from "./report-error.js";

/** What computes, as node-llama-cpp has it. */
export type Gpu = "auto" | "cuda" | "metal" | "vulkan" | false;

const NAMES = ["auto", "cuda", "metal", "vulkan", "false"] as const;

/** The option `--gpu`. */
export const gpuSchema: z.ZodType<Gpu, string> = z
  .enum(NAMES, { error: `must be one of ${NAMES.join(", ")}` })
  .transform((name) => (name === "false" ? false : name));

/** The help of the option `--gpu`. */
export const GPU_HELP = `what computes: ${NAMES.join(", ")}, as node-llama-cpp has it`;

/**
 * Loads llama.cpp, with a prebuilt binary or a build of one's own, and never builds.
 *
 * @throws {KVPolicyError} `config` when this machine has nothing that computes so.
 */
export async function loadLlama(gpu: Gpu): Promise<Llama> {
  const refuse = (cause?: unknown): Error =>
    badOption(
      "gpu",
      gpu,
      `--gpu ${String(gpu)} cannot be had here: node-llama-cpp has no binary for it, or no device. "npx node-llama-cpp inspect gpu" says what there is.`,
      cause,
    );
  // What llama.cpp logs while it loads goes to standard output, whatever logger is set.
  const options = { gpu, build: "never", progressLogs: false, logLevel: LlamaLogLevel.disabled } as const;
  const llama = await getLlama(options).catch((cause: unknown) => {
    throw refuse(cause);
  });
  if (gpu === "auto" || llama.gpu === gpu) return llama;
  await llama.dispose();
  throw refuse();
}
