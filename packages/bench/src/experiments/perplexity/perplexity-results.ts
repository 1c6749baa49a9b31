import { z } from "zod";

import { comparisonSchema } from "../../comparison/comparison-schema.js";
import { count, figure, headerSchema, interval } from "../../results/header.js";

const pooledPolicySchema = z.object({
  name: z.string(),
  texts: count,
  perplexity: figure,
  interval: interval.nullable(),
  ratio: z.object({ value: z.number(), interval: interval.nullable() }).nullable(),
});

/** What `perplexity` writes: policies × budgets over texts. */
export const perplexityResultsSchema = headerSchema.extend({
  experiment: z.literal("perplexity"),
  settings: z.object({
    budgets: z.array(count).min(1),
    texts: z.array(z.string()).min(1),
    reference: z.string(),
    seed: z.int(),
  }),
  comparisons: z.array(comparisonSchema),
  budgets: z.array(z.object({ budget: count, policies: z.array(pooledPolicySchema) })),
});

/**
 * Policies × budgets over texts, as plain data.
 *
 * @interface
 */
export type PerplexityResults = z.infer<typeof perplexityResultsSchema>;

/** A policy at a budget, over all texts. */
export type PooledPolicy = z.infer<typeof pooledPolicySchema>;
