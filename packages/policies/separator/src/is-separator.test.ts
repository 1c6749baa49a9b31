import { describe, expect, test } from "vitest";

import { isSeparator } from "./is-separator.js";

describe("a separator", () => {
  test.each([
    ".",
    ",",
    "?",
    "!",
    ";",
    ":",
    " .",
    ". ",
    " , ",
    ".\n",
    "\n!\n\n",
    " ",
    "   ",
    "\n",
    "\r\n",
    "\t",
  ])("is %j", (text) => {
    expect(isSeparator(text)).toBe(true);
  });

  test.each([
    "",
    "..",
    "?!",
    ". .",
    "a.",
    ".a",
    " word",
    "word ",
    "a b",
    "-",
    '"',
    "'",
    ")",
    "…",
    "。",
    "\u{FFFD}",
  ])("is not %j", (text) => {
    expect(isSeparator(text)).toBe(false);
  });
});
