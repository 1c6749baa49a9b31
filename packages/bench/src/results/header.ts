import { z } from "zod";

/** A whole number that is not negative. */
export const count = z.int().nonnegative();
/** A figure that may be unknown. */
export const figure = z.number().nullable();
/** A SHA-256 digest. */
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Where a value lies with a confidence of 95 %. */
export const interval = z.object({ lower: z.number(), upper: z.number() });

/** With what, where and of what was measured. */
const surroundingsSchema = z.object({
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
  engine: z.object({ keyType: z.string(), valueType: z.string(), threads: count.nullable() }),
});

/**
 * With what, where and of what was measured. No path of a machine is in it.
 *
 * @interface
 */
export type Surroundings = z.infer<typeof surroundingsSchema>;

/** What the results of every experiment begin with. */
export const headerSchema = surroundingsSchema.extend({
  /** Whether it was stopped before its end. */
  partial: z.boolean(),
  /** How long it took. */
  milliseconds: z.number(),
});

/** Where a value lies with a confidence of 95 %. */
export type Interval = z.infer<typeof interval>;
