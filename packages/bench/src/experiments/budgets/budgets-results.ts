import { z } from "zod";

import { comparisonSchema } from "../../comparison/comparison-schema.js";
import { count, headerSchema } from "../../results/header.js";

/** What `budgets` writes: one policy at several budgets over the same tokens. */
export const budgetsResultsSchema = headerSchema.extend({
  experiment: z.literal("budgets"),
  settings: z.object({ policy: z.string(), budgets: z.array(count).min(1), seed: z.int() }),
  comparison: comparisonSchema,
});

/**
 * One policy at several budgets, as plain data.
 *
 * @interface
 */
export type BudgetsResults = z.infer<typeof budgetsResultsSchema>;
