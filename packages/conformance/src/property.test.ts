import fc from "fast-check";
import { expect, test } from "vitest";

import { forAll } from "./property.js";

test("a slow failure is made smaller for a second or so, and not for as long as it takes", async () => {
  const start = performance.now();
  const failing = forAll(
    {},
    fc.array(fc.nat(), { minLength: 200, maxLength: 300, size: "max" }),
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      throw new Error("always");
    },
  );
  await expect(failing).rejects.toThrow(/always \(seed -?\d+, path /);
  expect(performance.now() - start).toBeLessThan(4000);
});

test("the subject's seed comes before the global one", async () => {
  const casesOf = async (seed: number): Promise<number[]> => {
    const cases: number[] = [];
    await forAll({ seed }, fc.nat(), (value) => void cases.push(value), { numRuns: 5 });
    return cases;
  };
  expect(await casesOf(3)).toEqual(await casesOf(3));
  expect(await casesOf(4)).not.toEqual(await casesOf(3));
});
