import { z } from "zod";

import { comparisonSchema } from "../../comparison/comparison-schema.js";
import { count, headerSchema, interval } from "../../results/header.js";

const differenceSchema = z.object({
  sinks: count,
  nats: z.number(),
  interval: interval.nullable(),
  blocks: count,
});

/** Whether a model needs its first tokens, and how many of them. */
const sinkNeedSchema = z.object({
  need: z.enum(["none", "mild", "collapse", "unknown"]),
  /** NLL without sinks minus NLL with four, or with the most that were tried where four were not. */
  withoutSinks: differenceSchema.nullable(),
  /** NLL with so many sinks minus NLL with the most that were tried. */
  againstMost: z.array(differenceSchema),
  most: count,
  enough: differenceSchema.nullable(),
});

/** How a control does over its draws, against the reference. */
const controlSchema = z.object({
  name: z.string(),
  draws: count,
  ratio: z.number(),
  interval: interval.nullable(),
});

/** What `sinks` writes: numbers of sinks at one budget, and controls. */
export const sinksResultsSchema = headerSchema.extend({
  experiment: z.literal("sinks"),
  settings: z.object({ budget: count, sinks: z.array(count).min(1), draws: count, seed: z.int() }),
  comparison: comparisonSchema,
  controls: z.array(controlSchema),
  need: sinkNeedSchema,
});

/** What `probe` writes: does this model need sinks? */
export const probeResultsSchema = headerSchema.extend({
  experiment: z.literal("probe"),
  settings: z.object({ budget: count, sinks: z.array(count).min(1), seed: z.int() }),
  comparison: comparisonSchema,
  need: sinkNeedSchema,
});

/**
 * Numbers of sinks at one budget, as plain data.
 *
 * @interface
 */
export type SinksResults = z.infer<typeof sinksResultsSchema>;

/**
 * Whether a model needs sinks, as plain data.
 *
 * @interface
 */
export type ProbeResults = z.infer<typeof probeResultsSchema>;

/**
 * Whether a model needs its first tokens, and how many of them.
 *
 * @interface
 */
export type SinkNeed = z.infer<typeof sinkNeedSchema>;

/** A difference of mean negative log-likelihoods. */
export type SinkDifference = z.infer<typeof differenceSchema>;
