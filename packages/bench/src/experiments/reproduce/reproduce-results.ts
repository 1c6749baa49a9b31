import { z } from "zod";

import { count, headerSchema } from "../../results/header.js";

const rowSchema = z.object({
  source: z.string(),
  claim: z.string(),
  paper: z.string(),
  ours: z.string(),
  rule: z.string(),
  verdict: z.enum(["reproduced", "not reproduced", "not comparable"]),
  why: z.string(),
});

const targetSchema = z.object({
  what: z.string(),
  target: z.string(),
  ours: z.string(),
  verdict: z.enum(["reached", "not reached", "not measured"]),
});

const partSchema = z.object({
  experiment: z.string(),
  status: z.enum(["done", "partial", "failed", "left out"]),
  reason: z.string().nullable(),
  milliseconds: z.number(),
});

/** What `reproduce` writes: the paper's rows beside ours. The experiments themselves have results of their own. */
export const reproduceResultsSchema = headerSchema.extend({
  experiment: z.literal("reproduce"),
  settings: z.object({ minutes: z.number(), seed: z.int(), budget: count, stride: count }),
  parts: z.array(partSchema),
  rows: z.array(rowSchema),
  targets: z.array(targetSchema),
});

/**
 * The paper's rows beside ours, as plain data.
 *
 * @interface
 */
export type ReproduceResults = z.infer<typeof reproduceResultsSchema>;

/** One row of the page. */
export type ReproducedRow = z.infer<typeof rowSchema>;

/** One target of the project. */
export type ReproducedTarget = z.infer<typeof targetSchema>;

/** What became of one experiment. */
export type ReproducedPart = z.infer<typeof partSchema>;
