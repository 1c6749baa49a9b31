import { expect, test } from "vitest";

import { forgetRun, hasUnendedRun, noteRun } from "./unended-run.js";

test("a run is noted until it has ended", () => {
  const kept = new Map<string, string>();
  const storage = (): Pick<Storage, "getItem" | "setItem" | "removeItem"> => ({
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  });
  expect(hasUnendedRun(storage)).toBe(false);
  noteRun(storage);
  expect(hasUnendedRun(storage)).toBe(true);
  forgetRun(storage);
  expect(hasUnendedRun(storage)).toBe(false);
});

test("a browser that keeps nothing is no obstacle", () => {
  const storage = (): never => {
    throw new Error("denied");
  };
  noteRun(storage);
  forgetRun(storage);
  expect(hasUnendedRun(storage)).toBe(false);
});
