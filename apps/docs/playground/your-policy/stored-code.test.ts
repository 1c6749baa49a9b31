import { expect, test } from "vitest";

import { readStoredCode, storeCode, type StoredCode } from "./stored-code.js";

const CODE: StoredCode = {
  source: "export default 1;",
  promises: { endless: true, newest: false, pinned: false },
};

/** A storage with one place. */
function storageWith(
  value: string | null,
): Pick<Storage, "getItem" | "setItem"> & { value: () => string | null } {
  let kept = value;
  return {
    getItem: () => kept,
    setItem: (_, next) => {
      kept = next;
    },
    value: () => kept,
  };
}

test("what was stored is read", () => {
  const storage = storageWith(null);
  storeCode(() => storage, CODE);
  expect(readStoredCode(() => storage)).toEqual(CODE);
});

test.each([
  null,
  "",
  "{",
  "null",
  "1",
  "{}",
  '{"source":1,"promises":{}}',
  '{"source":"a","promises":{"endless":true}}',
])("%j is nothing to go on with", (value) => {
  expect(readStoredCode(() => storageWith(value))).toBeUndefined();
});

test("a browser that keeps nothing is no obstacle", () => {
  const storage = (): never => {
    throw new Error("denied");
  };
  storeCode(storage, CODE);
  expect(readStoredCode(storage)).toBeUndefined();
});
