import { z } from "zod";

import { descriptionSchema, textSchema } from "../../comparison/comparison-schema.js";
import { count, figure, headerSchema, interval } from "../../results/header.js";

const rangeSchema = z.object({ start: count, end: count });
const ratioSchema = z.object({ value: z.number(), interval: interval.nullable() });

const segmentSchema = rangeSchema.extend({
  milliseconds: z.object({ chunks: count, mean: z.number(), p50: z.number(), p95: z.number() }).nullable(),
  residentBytes: count.nullable(),
  peakCells: count,
});

const windowSchema = rangeSchema.extend({ chunks: count, millisecondsPerToken: z.number() });

const latencySchema = z.object({
  early: windowSchema,
  late: windowSchema,
  ratio: ratioSchema,
  verdict: z.enum(["flat", "not shown", "grew", "fell"]),
});

/** How the old stream and a young one compare. */
export const sideBySideSchema = z.object({
  youngAge: count,
  rounds: count,
  chunk: count,
  oldMillisecondsPerToken: z.number(),
  youngMillisecondsPerToken: z.number(),
  ratio: ratioSchema,
  verdict: z.enum(["flat", "not shown", "grew", "fell"]),
});

const memorySchema = z.object({
  early: rangeSchema.extend({ residentBytes: z.number() }),
  late: rangeSchema.extend({ residentBytes: z.number() }),
  allowedBytes: z.number(),
  verdict: z.enum(["flat", "grew", "fell"]),
});

/** One reading of the whole text. */
export const passSchema = z.object({
  pass: count,
  blocks: count,
  meanNll: figure,
  difference: figure,
  interval: interval.nullable(),
});

const likelihoodSchema = z.object({
  judged: count,
  largest: z.object({ pass: count, difference: z.number() }),
  verdict: z.enum(["flat", "not shown", "drifted"]),
});

/** Schema of what `measureSoak` answers. Positions count the tokens of the looped text, a beginning-of-sequence token not among them. */
export const soakResultsSchema = headerSchema.extend({
  experiment: z.literal("soak"),
  /** One pass of the text. */
  text: textSchema,
  settings: z.object({
    policy: z.object({ name: z.string(), description: descriptionSchema }),
    budget: count,
    tokens: count,
    chunk: count,
    segments: count,
    seed: z.int(),
  }),
  /** Tokens of the looped text that were read. */
  read: count,
  /** Where each session began and ended: more than one after an interruption. */
  sessions: z.array(rangeSchema),
  /** Most cells ever in use. */
  peakCells: count,
  /** What works but may surprise. */
  warnings: z.array(z.string()),
  /** Points of the curves. */
  segments: z.array(segmentSchema),
  /** The last tenth against the first; null when too little was read. */
  latency: latencySchema.nullable(),
  /** The stream at its end against one that has just begun; null when it was not compared. */
  sideBySide: sideBySideSchema.nullable(),
  /** The last tenth of the longest session against its second; null when nobody told, or too little was read. */
  memory: memorySchema.nullable(),
  /** Each reading of the whole text, the last one possibly in part. */
  passes: z.array(passSchema),
  /** What the differences of the passes say; null when there is none to judge. */
  likelihood: likelihoodSchema.nullable(),
});

/**
 * What `measureSoak` measured, as plain data.
 *
 * @interface
 */
export type SoakResults = z.infer<typeof soakResultsSchema>;
/** The stream at its end against one that has just begun. */
export type SideBySide = z.infer<typeof sideBySideSchema>;
/** One reading of the whole text. */
export type SoakPass = z.infer<typeof passSchema>;
