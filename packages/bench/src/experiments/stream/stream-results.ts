import { z } from "zod";

import { buildComparison, type BuildComparisonOptions } from "../../comparison/build-comparison.js";
import { comparisonSchema } from "../../comparison/comparison-schema.js";
import type { Measurement } from "../../measure/read-text.js";
import { headerSchema, type Surroundings } from "../../results/header.js";

/** What `stream` writes: one comparison on one text. */
export const streamResultsSchema = headerSchema.extend({
  experiment: z.literal("stream"),
  ...comparisonSchema.shape,
});

/**
 * One comparison on one text, as plain data.
 *
 * @interface
 */
export type StreamResults = z.infer<typeof streamResultsSchema>;

/** Turns a measurement into the results of `stream`. */
export function buildStreamResults(
  measurement: Measurement,
  surroundings: Surroundings,
  options: BuildComparisonOptions,
): StreamResults {
  return { ...surroundings, experiment: "stream", ...buildComparison(measurement, options) };
}
