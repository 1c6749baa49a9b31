import { z } from "zod";

import { gpuSchema, type Gpu } from "./load-llama.js";
import { TINY } from "./load-model.js";
import { cacheType, firstProblem, wholeNumber } from "./option-schemas.js";
import { withoutModel } from "./policy-kinds.js";
import { parsePolicySpec, type PolicySpec } from "./policy-spec.js";
import { badOption } from "./report-error.js";

/**
 * What is taken when an option is left out. Some depend on the model:
 * recomputing costs so much more on a larger one, and the tiny one is too small to share a step between threads. The number of
 * tokens is the fewest that give the tiny model an interval.
 */
export const DEFAULTS = {
  model: `${TINY}sink`,
  policies: ["dense", "window", "recompute", "sink-window"],
  tiny: { budget: 128, stride: 2, threads: 1 },
  other: { budget: 256, stride: 16, threads: undefined },
  tokens: 8400,
  equal: "peak",
  out: "kvpolicy-results",
  cacheType: "F16",
  gpu: "auto",
  seed: 1,
} as const;

/** The checked options of `kvpolicy stream`. */
export interface StreamCommandOptions {
  /** File to read, `-` for standard input; undefined for the built-in text. */
  readonly text: string | undefined;
  /** Path, `hf:` name, or `tiny:` name. */
  readonly model: string;
  /** The policies, in the order given. */
  readonly policies: readonly PolicySpec[];
  /** Cells that each policy may use; see `equal`. */
  readonly budget: number;
  /** Whether the budget is the most cells in use, or what a token sees on average once the cache is full. */
  readonly equal: "peak" | "mean";
  /** Most tokens to read; undefined for all. */
  readonly tokens: number | undefined;
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
  /** Seed of the intervals. */
  readonly seed: number;
  /** Whether to print nothing but the results as JSON. */
  readonly json: boolean;
}

/** What commander hands over: text, lists of text and switches. */
const rawSchema = z.object({
  text: z.string().min(1, { error: "must name a file, or be - for standard input" }).optional(),
  model: z.string().min(1, { error: "must be a path, hf:USER/REPO/FILE or tiny:NAME" }).optional(),
  policy: z.array(z.string()).optional(),
  budget: wholeNumber(1).optional(),
  stride: z
    .union([z.literal("half"), wholeNumber(1, "half or ")], {
      error: "must be half or a whole number of at least 1",
    })
    .optional(),
  equal: z.enum(["peak", "mean"], { error: "must be peak or mean" }),
  tokens: wholeNumber(1).optional(),
  out: z.string().min(1, { error: "must name a directory" }),
  keys: cacheType,
  values: cacheType,
  threads: wholeNumber(1).optional(),
  gpu: gpuSchema,
  seed: wholeNumber(0),
  json: z.boolean().default(false),
});

/**
 * Checks the options of `kvpolicy stream` and fills in the defaults.
 *
 * @param raw - The options as commander parsed them.
 * @param environment - Where `KVPOLICY_MODEL` may be.
 * @throws {KVPolicyError} `config`, with the option's name, for the first option that cannot work.
 */
export async function parseStreamOptions(
  raw: unknown,
  environment: NodeJS.ProcessEnv,
): Promise<StreamCommandOptions> {
  const parsed = rawSchema.safeParse(raw);
  if (!parsed.success) throw firstProblem(raw, parsed.error);
  const { policy: specs, stride, budget, text, tokens, ...rest } = parsed.data;
  const fromEnvironment = environment["KVPOLICY_MODEL"];
  const model = rest.model ?? (fromEnvironment === "" ? undefined : fromEnvironment) ?? DEFAULTS.model;
  const defaults = model.startsWith(TINY) ? DEFAULTS.tiny : DEFAULTS.other;
  const cells = budget ?? defaults.budget;
  const policies: PolicySpec[] = [];
  const texts = new Set<string>();
  for (const spec of specs ?? DEFAULTS.policies) {
    const parsedSpec = await parsePolicySpec(spec, stride ?? defaults.stride, cells);
    if (texts.has(spec)) throw badOption("policy", spec, `--policy ${parsedSpec.name} is given twice.`);
    texts.add(spec);
    policies.push(nameApart(parsedSpec, policies));
  }
  for (const spec of policies) checkSpec(spec, cells, rest.equal);
  return {
    ...rest,
    text,
    model,
    policies,
    budget: cells,
    tokens: tokens ?? (text === undefined ? DEFAULTS.tokens : undefined),
    threads: rest.threads ?? defaults.threads,
  };
}

/** Modules of one's own may have policies and files of the same names. */
function nameApart(spec: PolicySpec, others: readonly PolicySpec[]): PolicySpec {
  const isTaken = (name: string): boolean => others.some((other) => other.name === name);
  if (!isTaken(spec.name)) return spec;
  let number = 2;
  while (isTaken(`${spec.name} ${number}`)) number += 1;
  return { ...spec, name: `${spec.name} ${number}` };
}

/** Refuses a policy that cannot work with the budget. */
function checkSpec({ name, create }: PolicySpec, cells: number, equal: "peak" | "mean"): void {
  const policy = create(withoutModel(cells));
  let problem: string | undefined;
  try {
    problem = policy.checkBudget?.(cells);
  } catch (cause) {
    throw badOption("policy", name, `--policy ${name} failed in checkBudget: ${String(cause)}.`, cause);
  }
  // A control that takes its budget from the command has the right one always.
  if (policy.budget !== undefined && policy.budget !== cells)
    problem ??= `its options add up to ${policy.budget} cells`;
  if (
    policy.budget !== undefined &&
    equal === "mean" &&
    create(withoutModel(cells + 1)).budget === policy.budget
  )
    problem ??= `it has a budget of its own, and --equal mean chooses another`;
  if (problem !== undefined)
    throw badOption("policy", name, `--policy ${name} cannot work with --budget ${cells}: ${problem}.`);
}
