import { z } from "zod";

import { gpuSchema, type Gpu } from "./load-llama.js";
import { firstProblem } from "./option-schemas.js";

/** Types of cached keys that can be asked about. */
export const KEY_TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0"] as const;

/** What is taken when an option is left out. */
export const INSPECT_DEFAULTS = { keys: "F16", gpu: "auto" } as const;

/** The checked options of `kvpolicy inspect`. */
export interface InspectCommandOptions {
  /** Path, `hf:` name, or `tiny:` name. */
  readonly model: string;
  /** Type of the cached keys. */
  readonly keys: (typeof KEY_TYPES)[number];
  /** Whether flash attention is asked about. */
  readonly flashAttention: boolean;
  /** What computes. */
  readonly gpu: Gpu;
  /** Whether the model is loaded and tried, in a process of its own. */
  readonly probe: boolean;
  /** Whether to print nothing but the answer as JSON. */
  readonly json: boolean;
}

/** What commander hands over. */
const rawSchema = z.object({
  model: z.string().min(1, { error: "must be a path, hf:USER/REPO/FILE or tiny:NAME" }),
  keys: z.enum(KEY_TYPES, { error: `must be one of ${KEY_TYPES.join(", ")}` }),
  flashAttention: z.boolean().default(false),
  gpu: gpuSchema,
  probe: z.boolean().default(true),
  json: z.boolean().default(false),
});

/**
 * Checks the options of `kvpolicy inspect`.
 *
 * @param raw - The argument as `model`, and the options as commander parsed them.
 * @throws {KVPolicyError} `config`, with the option's name, for the first option that cannot work.
 */
export function parseInspectOptions(raw: unknown): InspectCommandOptions {
  const parsed = rawSchema.safeParse(raw);
  if (!parsed.success) throw firstProblem(raw, parsed.error);
  return parsed.data;
}
