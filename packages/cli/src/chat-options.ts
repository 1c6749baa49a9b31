import { z } from "zod";

import { gpuSchema, type Gpu } from "./load-llama.js";
import { cacheType, firstProblem, wholeNumber } from "./option-schemas.js";
import { parsePolicySpec, type PolicySpec } from "./policy-spec.js";
import { badOption } from "./report-error.js";

/** What is taken when an option is left out. */
export const CHAT_DEFAULTS = {
  policy: "pinned(turn-aligned(sink-window))",
  budget: 2048,
  temperature: 0,
  cacheType: "F16",
  gpu: "auto",
} as const;

/** The checked options of `kvpolicy chat`. */
export interface ChatCommandOptions {
  /** Path, `hf:` name, or `tiny:` name. */
  readonly model: string;
  /** Which tokens stay. */
  readonly policy: PolicySpec;
  /** Cells; undefined for the snapshot's, else the default, or the trained length where that is less. */
  readonly budget: number | undefined;
  /** What the model is told first. */
  readonly system: string | undefined;
  /** Snapshot to go on from. */
  readonly restore: string | undefined;
  /** Where the conversation is saved at the end. */
  readonly save: string | undefined;
  /** Most tokens of an answer; undefined for the budget. */
  readonly maxTokens: number | undefined;
  /** 0 takes the likeliest token. */
  readonly temperature: number;
  /** Seed of the sampler; undefined for a random one. */
  readonly seed: number | undefined;
  /** Type of the cached keys; undefined for the snapshot's, else the default. */
  readonly keys: "F16" | "F32" | undefined;
  /** Type of the cached values; undefined for the snapshot's, else the default. */
  readonly values: "F16" | "F32" | undefined;
  /** Threads; undefined for one a core. */
  readonly threads: number | undefined;
  /** What computes. */
  readonly gpu: Gpu;
}

const fileName = z.string().min(1, { error: "must name a file" }).optional();

const rawSchema = z.object({
  model: z.string().min(1, { error: "must be a path, hf:USER/REPO/FILE or tiny:NAME" }).optional(),
  policy: z.string(),
  budget: wholeNumber(1).optional(),
  system: z.string().optional(),
  restore: fileName,
  save: fileName,
  maxTokens: wholeNumber(1).optional(),
  temperature: z
    .string()
    .regex(/^\d+(\.\d+)?$/, { error: "must be a number of at least 0", abort: true })
    .transform(Number),
  seed: wholeNumber(0).optional(),
  keys: cacheType.optional(),
  values: cacheType.optional(),
  threads: wholeNumber(1).optional(),
  gpu: gpuSchema,
});

/**
 * Checks the options of `kvpolicy chat` and fills in the defaults.
 *
 * @param raw - The options as commander parsed them.
 * @param environment - Where `KVPOLICY_MODEL` may be.
 * @throws {KVPolicyError} `config`, with the option's name, for the first option that cannot work.
 */
export async function parseChatOptions(
  raw: unknown,
  environment: NodeJS.ProcessEnv,
): Promise<ChatCommandOptions> {
  const parsed = rawSchema.safeParse(raw);
  if (!parsed.success) throw firstProblem(raw, parsed.error);
  const { model, policy, budget, system, restore, save, maxTokens, seed, keys, values, threads, ...rest } =
    parsed.data;
  const fromEnvironment = environment["KVPOLICY_MODEL"];
  const named = model ?? (fromEnvironment === "" ? undefined : fromEnvironment);
  if (named === undefined) {
    const message = "--model is missing: a chat takes a model that was trained for it, and none comes along.";
    throw badOption("model", undefined, message);
  }
  return {
    ...rest,
    model: named,
    policy: await parsePolicySpec(policy, undefined, budget),
    budget,
    system,
    restore,
    save,
    maxTokens,
    seed,
    keys,
    values,
    threads,
  };
}
