import { KVPolicyError } from "@kvpolicy/core";
import { z } from "zod";

const count = z.int().nonnegative();
const figure = z.number().nullable();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const shapeSchema = z.union([
  z.literal("opaque"),
  z.object({
    first: z.union([count, z.literal("bos")]),
    recent: z.union([count, z.literal("rest")]),
    stride: z.union([count, z.literal("half"), z.literal("default")]),
    survivors: z.enum(["reuse", "recompute"]),
  }),
]);

const descriptionSchema = z.object({
  name: z.string(),
  shape: shapeSchema,
  first: z.union([count, z.literal("bos")]).optional(),
  options: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  evaluationsPerToken: z.number().optional(),
  get inner() {
    return descriptionSchema.optional();
  },
});

const perplexitySchema = z.object({ value: figure, tokens: count });

const ratioSchema = z.object({
  reference: z.string(),
  value: z.number(),
  tokens: count,
  interval: z.object({ lower: z.number(), upper: z.number() }).nullable(),
  blockLength: count,
  blocks: count,
});

const timingSchema = z.object({
  unit: z.enum(["stride", "step"]),
  count,
  tokens: count,
  mean: z.number(),
  p50: z.number(),
  p95: z.number(),
});

const policySchema = z.object({
  name: z.string(),
  description: descriptionSchema,
  status: z.enum(["complete", "partial", "failed"]),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  warnings: z.array(z.string()),
  tokens: count,
  budget: count.nullable().default(null),
  perplexity: z.object({ full: perplexitySchema, all: perplexitySchema }),
  ratio: ratioSchema.nullable(),
  tokensPerSecond: figure,
  stride: figure,
  millisecondsPerToken: timingSchema.nullable(),
  costRatio: figure,
  evictions: count,
  evictedTokens: count,
  recomputedTokens: count,
  peakCells: count,
  meanCells: figure,
  contextBytes: count.nullable(),
  series: z.array(z.object({ position: count, perplexity: z.number() })),
});

/** The shape of `results.json`. */
export const resultsSchema = z.object({
  schemaVersion: z.literal(1),
  partial: z.boolean(),
  command: z.string(),
  versions: z.object({ kvpolicy: z.string(), nodeLlamaCpp: z.string(), node: z.string() }),
  machine: z.object({
    platform: z.string(),
    architecture: z.string(),
    processor: z.string(),
    cores: count,
    memoryBytes: count,
    device: z.string(),
  }),
  model: z.object({
    name: z.string(),
    sha256,
    bytes: count,
    trainedLength: count.nullable(),
    disclosure: z.string().nullable(),
  }),
  text: z.object({ name: z.string(), sha256, tokens: count }),
  settings: z.object({
    budget: count,
    meanCells: count.nullable().default(null),
    keyType: z.string(),
    valueType: z.string(),
    threads: count.nullable(),
    seed: z.int(),
    slice: count,
    seriesWindow: count,
  }),
  compared: z.object({ start: count, end: count }).nullable(),
  milliseconds: z.number(),
  residentBytes: z.object({ start: count, peak: count, end: count }).nullable(),
  policies: z.array(policySchema).min(1),
});

/** Everything that one comparison says, as plain data: what `results.json` holds. */
export type Results = z.infer<typeof resultsSchema>;

/** The row of one policy in {@link Results}. */
export type PolicyResults = Results["policies"][number];

/** Where, with what and on what was measured. */
export type Surroundings = Pick<Results, "command" | "versions" | "machine" | "model"> & {
  /** The text, without its number of tokens. */
  readonly text: Pick<Results["text"], "name" | "sha256">;
  /** The settings that the measurement itself does not know. */
  readonly settings: Pick<Results["settings"], "meanCells" | "keyType" | "valueType" | "threads" | "seed">;
};

/**
 * Reads results back from parsed JSON.
 *
 * @throws {KVPolicyError} `config` when the value is something else, or of another version; the message names the first field.
 */
export function parseResults(value: unknown): Results {
  const parsed = resultsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.map(String).join(".") ?? "";
  throw new KVPolicyError({
    code: "config",
    message: `These are no results of version 1: ${field === "" ? "" : `${field}: `}${issue?.message ?? "unknown"}.`,
    details: { option: "results", value: field },
  });
}
