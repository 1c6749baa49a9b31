import { backendLaws, brokenLaws, type LawBroken } from "@kvpolicy/conformance";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";

import { cases, loadCase } from "../testing/cases.js";
import { mutants, MovesEverything, type Mutant } from "../testing/mutants.js";
import { maskedForward, ReferenceBackend } from "./index.js";

/** A fault must show by this many times what the suite tolerates. */
const CLEARLY = 20;
const exactness = backendLaws.filter(({ group }) => group === "exactness");

beforeAll(() => {
  // Whether a mutant is caught, and how clearly, must not be luck.
  fc.configureGlobal({ seed: 1, ...fc.readConfigureGlobal() });
});

async function lawsBrokenBy(
  create: Mutant["create"],
  name = "llama",
  laws = exactness,
): Promise<LawBroken[]> {
  const model = await loadCase(cases.find((one) => one.name === name)!);
  return brokenLaws(laws, {
    name: "a mutant",
    create: ({ capacity }) => Promise.resolve(create(model, capacity)),
    oracle: (trace, rows) => maskedForward(model, trace, rows),
    runs: 5,
  });
}

describe("a backend that", () => {
  test.each(mutants)("$fault is caught: $caughtBy", async ({ create, model, caughtBy }) => {
    const broken = (await lawsBrokenBy(create, model)).find(({ law }) => law === caughtBy);
    expect(broken).toBeDefined();
    expect(broken!.measured! / broken!.tolerance!).toBeGreaterThan(CLEARLY);
  });

  test("moves all positions alike is not caught: rotary positions count by their distance alone", async () => {
    const broken = await lawsBrokenBy((model, capacity) => {
      const cache = new MovesEverything(
        model.layers.length,
        model.shape.keyValueHeads * model.shape.headSize,
      );
      return new ReferenceBackend(model, { capacity, cache });
    });
    expect(broken).toEqual([]);
  });

  test("has no fault breaks no law", async () => {
    const sound: Mutant["create"] = (model, capacity) => new ReferenceBackend(model, { capacity });
    expect(await lawsBrokenBy(sound, "llama", [...backendLaws])).toEqual([]);
  });
});
