import { expect, test } from "vitest";

import { tabForKey } from "./tabs.js";

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
