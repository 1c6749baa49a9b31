import { expect, it } from "vitest";

import { isAbort } from "./is-abort.js";

it("knows the reason of the signal, and an error that wraps it", () => {
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  expect(isAbort(reason, signal)).toBe(true);
  expect(isAbort(new Error("The prompt failed.", { cause: reason }), signal)).toBe(true);
});

it("takes nothing else for an abort, whenever it comes", () => {
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  expect(isAbort(new Error("enough"), signal)).toBe(false);
  expect(isAbort(new Error("No memory.", { cause: new Error("enough") }), signal)).toBe(false);
  expect(isAbort(undefined, signal)).toBe(false);
  expect(isAbort(reason, undefined)).toBe(false);
  // Not stopped: neither has a reason yet.
  expect(isAbort(undefined, new AbortController().signal)).toBe(false);
  expect(isAbort(new Error("No memory."), new AbortController().signal)).toBe(false);
});
