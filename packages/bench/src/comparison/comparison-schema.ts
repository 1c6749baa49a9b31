import { z } from "zod";

import { count, figure, interval, sha256 } from "../results/header.js";

const shapeSchema = z.union([
  z.literal("opaque"),
  z.object({
    first: z.union([count, z.literal("bos")]),
    recent: z.union([count, z.literal("rest")]),
    stride: z.union([count, z.literal("half"), z.literal("default")]),
    survivors: z.enum(["reuse", "recompute"]),
  }),
]);

/** What a policy says of itself. */
export const descriptionSchema = z.object({
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
  interval: interval.nullable(),
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
  budget: count.nullable(),
  perplexity: z.object({
    full: perplexitySchema,
    afterFill: perplexitySchema,
    all: perplexitySchema,
    interval: interval.nullable(),
  }),
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

/** Which text was read. */
export const textSchema = z.object({ name: z.string(), sha256, tokens: count });

/** What a comparison of policies on one text holds. */
export const comparisonSchema = z.object({
  partial: z.boolean(),
  milliseconds: z.number(),
  text: textSchema,
  settings: z.object({
    budget: count,
    meanCells: count.nullable(),
    seed: z.int(),
    slice: count,
    seriesWindow: count,
  }),
  compared: z.object({ start: count, end: count }).nullable(),
  residentBytes: z.object({ start: count, peak: count, end: count }).nullable(),
  policies: z.array(policySchema).min(1),
});

/**
 * Policies compared on one text, as plain data.
 *
 * @interface
 */
export type Comparison = z.infer<typeof comparisonSchema>;

/** The row of one policy in a {@link Comparison}. */
export type PolicyResults = Comparison["policies"][number];

/** Which text was read, without its number of tokens. */
export type TextSource = Pick<Comparison["text"], "name" | "sha256">;
