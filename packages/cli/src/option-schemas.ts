import type { Stride } from "@kvpolicy/core";
import { z } from "zod";

import { badOption } from "./report-error.js";

/** A whole number of at least `minimum`. */
export function wholeNumber(minimum: number): z.ZodType<number, string> {
  const error = `must be a whole number of at least ${minimum}`;
  return (
    z
      .string()
      .regex(/^\d+$/, { error, abort: true })
      .transform(Number)
      // Without `abort` a union would give this message, and not its own of all that is allowed.
      .refine((value) => Number.isSafeInteger(value) && value >= minimum, { error, abort: true })
  );
}

/** A stride of policies: a whole number of at least 1, or `half`. */
export const strideSchema: z.ZodType<Stride, string> = z.union([z.literal("half"), wholeNumber(1)], {
  error: "must be half or a whole number of at least 1",
});

/** A list of whole numbers of at least `minimum`, with commas between them, none twice. */
export function numberList(minimum: number): z.ZodType<readonly number[], string> {
  const error = `must be whole numbers of at least ${minimum} with commas between them, none twice`;
  return z
    .string()
    .regex(/^\d+(,\d+)*$/, { error, abort: true })
    .transform((text) => text.split(",").map(Number))
    .refine((values) => values.every((value) => Number.isSafeInteger(value) && value >= minimum), { error })
    .refine((values) => new Set(values).size === values.length, { error });
}

/** Type of cached keys or values. */
export const cacheType = z.enum(["F16", "F32"], { error: "must be F16 or F32" });

/** The first option that cannot work, as the user wrote it. */
export function firstProblem(raw: unknown, { issues: [issue] }: z.ZodError): Error {
  const option = String(issue?.path[0] ?? "");
  const value = typeof raw === "object" && raw !== null ? (raw as Record<string, unknown>)[option] : raw;
  const flag = option.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return badOption(option, value, `--${flag} ${issue?.message ?? "cannot work"}, not "${String(value)}".`);
}
