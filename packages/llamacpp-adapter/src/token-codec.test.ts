import type { LlamaModel } from "node-llama-cpp";
import { expect, test } from "vitest";

import { createTokenCodec } from "./token-codec.js";

/** A vocabulary of raw bytes, which no model at hand has: tokens that end one character and begin the next. */
const vocabulary = [[0xf0, 0x9f], [0x98], [0x80, 0xf0, 0x9f], [0x80], [0x41], [0xff]];
const model = {
  disposed: false,
  detokenize: (tokens: readonly number[]) =>
    new TextDecoder().decode(Uint8Array.from(tokens.flatMap((token) => vocabulary[token] ?? []))),
} as unknown as LlamaModel;

test.each([
  ["a character in three tokens", [0, 1, 3], ["", "", "\u{1F600}"]],
  [
    "a token that ends one character and begins the next",
    [0, 1, 2, 1, 3],
    ["", "", "\u{1F600}", "", "\u{1F600}"],
  ],
  [
    "the same for longer than a character is",
    [0, 1, 2, 1, 2, 1, 2, 1, 3, 4],
    ["", "", "\u{1F600}", "", "\u{1F600}", "", "\u{1F600}", "", "\u{1F600}", "A"],
  ],
  ["bytes that never become a character", [5, 5, 5, 5, 4], ["", "", "", "\uFFFD\uFFFD\uFFFD\uFFFD", "A"]],
])("%s", (_, tokens, expected) => {
  const decoder = createTokenCodec(model).createDecoder();
  expect(tokens.map((token) => decoder.push(token))).toEqual(expected);
  expect(decoder.flush()).toBe("");
});

test("flush gives what is left, once", () => {
  const decoder = createTokenCodec(model).createDecoder();
  expect([decoder.push(4), decoder.push(0), decoder.push(1)]).toEqual(["A", "", ""]);
  expect(decoder.flush()).toBe("\uFFFD");
  expect(decoder.flush()).toBe("");
});
