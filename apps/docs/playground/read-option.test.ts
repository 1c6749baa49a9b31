import { expect, test } from "vitest";

import { readOption } from "./read-option.js";

test.each([
  ["", undefined],
  ["  ", undefined],
  ["4", 4],
  [" 4 ", 4],
  ["-1", -1],
  ["0.25", 0.25],
  ["0.", "0."],
  ["half", "half"],
  [". , ;", ". , ;"],
  ["4e2", "4e2"],
])("%j is read as %j", (text, value) => {
  expect(readOption(text)).toBe(value);
});
