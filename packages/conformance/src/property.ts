import fc from "fast-check";

import { Breach, messageOf } from "./breach.js";

/** Milliseconds that looking for a smaller counterexample may take: runners end a test after a few seconds, and its words are lost. */
const SHRINKING = 1000;

/**
 * Tries something on random values. The subject's seed applies, else fast-check's global configuration (seed, number of runs).
 *
 * @throws {Breach} for the smallest value found that fails, with the seed that repeats it.
 */
export async function forAll<Value>(
  { seed: ownSeed }: { readonly seed?: number | undefined },
  values: fc.Arbitrary<Value>,
  body: (value: Value) => Promise<void> | void,
  parameters: fc.Parameters<[Value]> = {},
): Promise<void> {
  let deadline = Infinity;
  const details = await fc.check(
    fc.asyncProperty(values, async (value) => {
      if (performance.now() > deadline) return;
      try {
        await body(value);
      } catch (error) {
        deadline = Math.min(deadline, performance.now() + SHRINKING);
        throw error;
      }
    }),
    { ...parameters, ...(ownSeed !== undefined && { seed: ownSeed }) },
  );
  if (!details.failed) return;
  const { errorInstance, counterexample, seed, counterexamplePath } = details;
  const { measured, tolerance, cause } =
    errorInstance instanceof Breach
      ? errorInstance
      : { measured: undefined, tolerance: undefined, cause: errorInstance };
  throw new Breach(
    `${messageOf(errorInstance)} (seed ${seed}, path "${counterexamplePath ?? ""}", case ${fc.stringify(counterexample)})`,
    { measured, tolerance, cause },
  );
}
