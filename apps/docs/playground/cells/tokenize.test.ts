import fc from "fast-check";
import { expect, test } from "vitest";

import { tokenize } from "./tokenize.js";

test("cuts a text into words, punctuation and line breaks", () => {
  const { tokens } = tokenize("Don't stop, Ada-Lou!\nÄpfel 42");
  expect(tokens.map(({ text }) => text)).toEqual([
    ..."Don't|stop|,|Ada-Lou|!".split("|"),
    "\n",
    "Äpfel",
    "42",
  ]);
});

test("gives each distinct text an id", () => {
  const { ids, vocabulary } = tokenize("the sea the sky");
  expect([...ids]).toEqual([0, 1, 0, 2]);
  expect(vocabulary.slice(0, 3)).toEqual(["the", "sea", "sky"]);
});

test("knows separators that the text does not have, each once", () => {
  expect(tokenize("sea.").vocabulary).toEqual(["sea", ".", ",", "?", "!", ";", ":", "\n"]);
});

test("stops at the most tokens", () => {
  expect(tokenize("one two three", 2).tokens).toHaveLength(2);
});

test("has no tokens for nothing", () => {
  expect(tokenize(" \t ").tokens).toEqual([]);
});

test("loses nothing but spaces", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const { tokens, ids, vocabulary } = tokenize(text);
      const ends = [0, ...tokens.map(({ end }) => end)];
      const starts = [...tokens.map(({ start }) => start), text.length];
      const gaps = starts.map((start, index) => text.slice(ends[index], start));
      expect(gaps.join("")).toMatch(/^[^\S\n]*$/);
      expect(tokens.map(({ start, end }) => text.slice(start, end))).toEqual(
        tokens.map((token) => token.text),
      );
      expect(Array.from(ids, (id) => vocabulary[id])).toEqual(tokens.map((token) => token.text));
    }),
  );
});
