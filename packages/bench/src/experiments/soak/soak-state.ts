import { z } from "zod";

import { count } from "../../results/header.js";
import { passSchema, sideBySideSchema } from "./soak-results.js";

const VERSION = 1;

/** Means by block, and the block under way; null where a likelihood was not finite. */
const blocksSchema = z.object({
  means: z.array(z.number().nullable()),
  sum: z.number().nullable(),
  tokens: count,
});

/**
 * Everything that a soak has measured so far, as JSON can hold it: what a checkpoint keeps beside the stream. It grows by three numbers
 * a chunk.
 */
export const soakStateSchema = z
  .object({
    version: z.literal(VERSION),
    /** What the figures rest on; a soak goes on only where all of it is the same. */
    identity: z.record(z.string(), z.union([z.string(), z.number()])),
    /** Tokens of the looped text that were read. */
    read: count,
    /** Time of all sessions together. */
    milliseconds: z.number().nonnegative(),
    /** Tokens that were read when each session began. */
    sessions: z.array(count).min(1),
    /** One entry a chunk in each list: tokens read after it, time of its `score`, memory after it, most cells in it. */
    chunks: z.object({
      ends: z.array(count),
      milliseconds: z.array(z.number().nonnegative()),
      residentBytes: z.array(count.nullable()),
      peakCells: z.array(count),
    }),
    /** Block means of pass 2; empty before its end. */
    reference: z.array(z.number().nullable()),
    /** The pass under way. */
    current: blocksSchema,
    /** The passes that are whole. */
    passes: z.array(passSchema),
    /** The comparison at the end, once it was made. */
    sideBySide: sideBySideSchema.nullable(),
  })
  .refine(
    ({ read, chunks: { ends, milliseconds, residentBytes, peakCells } }) =>
      (ends.at(-1) ?? 0) === read &&
      [milliseconds, residentBytes, peakCells].every(({ length }) => length === ends.length),
    { error: "the chunks do not add up to what was read" },
  );

/** Everything that a soak has measured so far. */
export type SoakState = z.infer<typeof soakStateSchema>;

/** What the figures of a soak rest on, by name. */
export type SoakIdentity = SoakState["identity"];

/** A soak that has read nothing. */
export function beginState(identity: SoakIdentity): SoakState {
  return {
    version: VERSION,
    identity: { ...identity },
    read: 0,
    milliseconds: 0,
    sessions: [0],
    chunks: { ends: [], milliseconds: [], residentBytes: [], peakCells: [] },
    reference: [],
    current: { means: [], sum: 0, tokens: 0 },
    passes: [],
    sideBySide: null,
  };
}
