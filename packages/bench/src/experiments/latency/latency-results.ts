import { z } from "zod";

import { textSchema } from "../../comparison/comparison-schema.js";
import { count, figure, headerSchema, interval } from "../../results/header.js";

const kind = z.enum(["reuse", "recompute", "dense"]);
const estimate = z.object({ value: z.number(), interval: interval.nullable() });

const rowSchema = z.object({
  contender: z.string(),
  kind,
  stride: count.nullable(),
  status: z.enum(["measured", "left-out", "failed"]),
  /** Why it was left out, or failed; null for a measured one that did not. */
  reason: z.string().nullable(),
  warnings: z.array(z.string()),
  /** Whole strides that count; of dense, turns. */
  units: count,
  tokens: count,
  /** Milliseconds per token. */
  mean: figure,
  interval: interval.nullable(),
  p50: figure,
  p95: figure,
  /** How far the interval reaches from the mean, as a share of it. */
  reached: figure,
  evaluatedPerToken: figure,
  meanCells: figure,
  contextBytes: figure,
  /** What the memory of the process grew by while the stream was opened and filled. */
  residentBytes: figure,
});

const budgetSchema = z.object({
  budget: count,
  residentBytes: z.object({ before: z.number(), filled: z.number() }).nullable(),
  rows: z.array(rowSchema),
});

const ratioSchema = z.object({
  budget: count,
  stride: count,
  /** Time of recompute over that of reuse, at this stride; null where one of them was not measured. */
  recomputeToReuse: estimate.nullable(),
  /** Time of reuse over that of dense; null where one was not measured, or the cells that they saw differ too much. */
  reuseToDense: estimate.nullable(),
});

const slopeSchema = estimate.extend({
  stride: count,
  budgets: z.array(count),
  worstFactor: z.number(),
});

const qualitySchema = z.object({
  budget: count,
  tokens: count,
  /** Why there are no rows; null where there are. */
  reason: z.string().nullable(),
  rows: z.array(
    z.object({
      contender: z.string(),
      kind,
      stride: count,
      /** Why it was not read, or not to the end; null where it was. */
      reason: z.string().nullable(),
      perplexity: figure,
      tokens: count,
      /** Perplexity over that of reuse at this stride, on the same tokens. */
      ratioToReuse: estimate.nullable(),
      millisecondsPerToken: figure,
    }),
  ),
});

/** What `latency` writes: time per token over the budget, ratios at equal strides, and what strided recomputation buys. */
export const latencyResultsSchema = headerSchema.extend({
  experiment: z.literal("latency"),
  text: textSchema,
  settings: z.object({
    budgets: z.array(count),
    minutes: z.number(),
    precision: z.number(),
    seed: z.int(),
    qualityTokens: count,
    qualityBudget: count,
  }),
  budgets: z.array(budgetSchema),
  ratios: z.array(ratioSchema),
  slopes: z.array(slopeSchema),
  quality: qualitySchema.nullable(),
});

/**
 * Latencies as plain data.
 *
 * @interface
 */
export type LatencyResults = z.infer<typeof latencyResultsSchema>;

/** One budget of {@link LatencyResults}. */
export type LatencyBudget = LatencyResults["budgets"][number];

/** One contender at one budget. */
export type LatencyRow = LatencyBudget["rows"][number];

/** Ratios of one stride at one budget. */
export type LatencyRatio = LatencyResults["ratios"][number];

/** How the ratio of one stride grows with the budget. */
export type LatencySlope = LatencyResults["slopes"][number];

/** The plane of cost and quality. */
export type LatencyQuality = NonNullable<LatencyResults["quality"]>;
