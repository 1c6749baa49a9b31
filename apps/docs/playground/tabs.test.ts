import { expect, test } from "vitest";

import { tabForHash, tabForKey } from "./tabs.js";

test.each([
  ["ArrowRight", 0, 1],
  ["ArrowRight", 2, 0],
  ["ArrowLeft", 0, 2],
  ["ArrowLeft", 2, 1],
  ["Home", 2, 0],
  ["End", 0, 2],
  ["Enter", 1, undefined],
])("%s leads from tab %i of 3 to %s", (key, index, wanted) => {
  expect(tabForKey(key, index, 3)).toBe(wanted);
});

test.each([
  ["#model", false, 1],
  ["#model", true, 1],
  ["", false, 0],
  ["#VPContent", false, 0],
  ["#VPContent", true, undefined],
  ["", true, undefined],
])("the hash “%s”, with a tab open: %s, opens %s", (hash, isOneOpen, wanted) => {
  expect(tabForHash(hash, ["cells", "model"], isOneOpen)).toBe(wanted);
});
