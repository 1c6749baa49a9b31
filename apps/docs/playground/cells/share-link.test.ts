import { expect, test } from "vitest";

import { decodeSetup, DEFAULT_SETUP, encodeSetup, type CellsSetup } from "./share-link.js";

test.each<[string, CellsSetup]>([
  ["the default", DEFAULT_SETUP],
  [
    "everything set",
    {
      first: { policy: "separator", options: { sinks: 1, separatorTokens: ". ," }, wrappers: ["pinned"] },
      second: null,
      budget: 64,
      sample: null,
      text: "Ä text & more",
      pins: [0, 1, 7],
    },
  ],
])("a link says %s", (_, setup) => {
  expect(decodeSetup(encodeSetup(setup))).toEqual(setup);
});

test.each([
  ["nothing", null],
  ["no JSON", "{"],
  ["a number", "5"],
  ["an unknown policy", '{"first":{"policy":"lru","options":{}}}'],
  ["a budget that is not shown", '{"budget":1000000}'],
  ["an unknown text", '{"sample":"bible"}'],
  ["no pins", '{"pins":"all"}'],
])("a link with %s says the default", (_, value) => {
  expect(decodeSetup(value)).toEqual(DEFAULT_SETUP);
});

test("a link cannot set options that are no numbers or texts, or wrappers that are none", () => {
  const value = '{"first":{"policy":"window","options":{"stride":{},"window":8},"wrappers":["pinned","x"]}}';
  expect(decodeSetup(value).first).toEqual({
    policy: "window",
    options: { window: 8 },
    wrappers: ["pinned"],
  });
});
