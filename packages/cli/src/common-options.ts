import { Option } from "commander";
import { z } from "zod";

import { GPU_HELP, gpuSchema, type Gpu } from "./load-llama.js";
import { TINY } from "./load-model.js";
import { cacheType, firstProblem, wholeNumber } from "./option-schemas.js";

/**
 * What is taken when an option is left out. Some depend on the model: recomputing costs so much more on a larger one, and a tiny one is
 * too small to share a step between threads.
 */
export const COMMON_DEFAULTS = {
  model: `${TINY}sink`,
  out: "kvpolicy-results",
  cacheType: "F16",
  gpu: "auto",
  seed: 1,
  tiny: { budget: 128, stride: 2, threads: 1 },
  other: { budget: 256, stride: 16, threads: undefined },
} as const;

/** The checked options that every experiment takes, and `kvpolicy stream`. */
export interface CommonOptions {
  /** Path, `hf:` name, or `tiny:` name. */
  readonly model: string;
  /** Whether the model is one of those in the box. */
  readonly isTiny: boolean;
  /** Cells and stride where nothing names them. */
  readonly defaults: { readonly budget: number; readonly stride: number };
  /** Directory of the results. */
  readonly out: string;
  /** Type of the cached keys. */
  readonly keys: "F16" | "F32";
  /** Type of the cached values. */
  readonly values: "F16" | "F32";
  /** Threads; undefined for one a core. */
  readonly threads: number | undefined;
  /** What computes. */
  readonly gpu: Gpu;
  /** Seed of whatever is drawn. */
  readonly seed: number;
  /** Whether to print nothing but the results as JSON. */
  readonly json: boolean;
}

/** The options that every experiment takes, and `kvpolicy stream`, for commander. */
export function commonOptions(): Option[] {
  return [
    new Option(
      "--model <model>",
      `path of a GGUF file, hf:USER/REPO/FILE, or tiny:NAME (default: $KVPOLICY_MODEL, else ${COMMON_DEFAULTS.model})`,
    ),
    new Option("--out <directory>", "where results.json and report.html go").default(COMMON_DEFAULTS.out),
    new Option("--keys <type>", "type of the cached keys, F16 or F32").default(COMMON_DEFAULTS.cacheType),
    new Option("--values <type>", "type of the cached values, F16 or F32").default(COMMON_DEFAULTS.cacheType),
    new Option("--threads <count>", "threads of the engine (default: 1 for a tiny model, else one a core)"),
    new Option("--gpu <type>", GPU_HELP).default(COMMON_DEFAULTS.gpu),
    new Option("--seed <number>", "seed of whatever is drawn").default(String(COMMON_DEFAULTS.seed)),
    new Option("--json", "print the results as JSON to standard output, and nothing else"),
  ];
}

/** The option `--budget` of a command whose policies have one budget. */
export function budgetOption(
  tiny: number = COMMON_DEFAULTS.tiny.budget,
  other: number = COMMON_DEFAULTS.other.budget,
): Option {
  return new Option("--budget <cells>", `cells that a policy may use ${defaultsInWords(tiny, other)}`);
}

/** The option `--stride`. A command that compares strides by their number takes numbers only. */
export function strideOption({ numbersOnly = false } = {}): Option {
  const { tiny, other } = COMMON_DEFAULTS;
  const what = numbersOnly
    ? "cells freed by one eviction"
    : "cells freed by one eviction, or half, unless the policy says";
  return new Option("--stride <cells>", `${what} ${defaultsInWords(tiny.stride, other.stride)}`);
}

/** What a help says of a default that depends on the model. */
export function defaultsInWords(tiny: number | string, other: number | string): string {
  return `(default: ${tiny} for a tiny model, else ${other})`;
}

const rawSchema = z.object({
  model: z.string().min(1, { error: "must be a path, hf:USER/REPO/FILE or tiny:NAME" }).optional(),
  out: z.string().min(1, { error: "must name a directory" }),
  keys: cacheType,
  values: cacheType,
  threads: wholeNumber(1).optional(),
  gpu: gpuSchema,
  seed: wholeNumber(0),
  json: z.boolean().default(false),
});

/**
 * Checks the options that every experiment takes, and `kvpolicy stream`, and fills in the defaults.
 *
 * @param raw - The options as commander parsed them.
 * @param environment - Where `KVPOLICY_MODEL` may be.
 * @throws {KVPolicyError} `config`, with the option's name, for the first option that cannot work.
 */
export function parseCommonOptions(raw: unknown, environment: NodeJS.ProcessEnv): CommonOptions {
  const parsed = rawSchema.safeParse(raw);
  if (!parsed.success) throw firstProblem(raw, parsed.error);
  const fromEnvironment = environment["KVPOLICY_MODEL"];
  const model =
    parsed.data.model ?? (fromEnvironment === "" ? undefined : fromEnvironment) ?? COMMON_DEFAULTS.model;
  const isTiny = model.startsWith(TINY);
  const { threads, ...defaults } = isTiny ? COMMON_DEFAULTS.tiny : COMMON_DEFAULTS.other;
  return { ...parsed.data, model, isTiny, defaults, threads: parsed.data.threads ?? threads };
}
