import { expect, test } from "vitest";

import { findTurns, firstSentence, toRanges } from "./marks.js";
import { tokenize } from "./tokenize.js";

test("a turn begins where a line begins with User:", () => {
  const { tokens } = tokenize("User: Hi\nAssistant: User: no\nUser what\nUser: Bye");
  const turns = findTurns(tokens);
  expect(turns).toEqual([0, 13]);
  expect(turns.map((index) => tokens[index]?.text)).toEqual(["User", "User"]);
});

test.each([
  ["Call me. Now.", { start: 0, end: 3 }],
  ["A title\nThen more.", { start: 0, end: 3 }],
  ["no end", { start: 0, end: 2 }],
  ["", undefined],
])("the first sentence of %j is %j", (text, range) => {
  expect(firstSentence(tokenize(text).tokens)).toEqual(range);
});

test("positions that touch are one range", () => {
  expect(toRanges([7, 3, 1, 2, 9])).toEqual([
    { start: 1, end: 4 },
    { start: 7, end: 8 },
    { start: 9, end: 10 },
  ]);
});
