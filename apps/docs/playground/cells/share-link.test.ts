import { expect, test } from "vitest";

import { decodeSetup, DEFAULT_SETUP, encodeSetup, linkTo, type CellsSetup } from "./share-link.js";

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

test("a link opens the page it was made on, with the setup", () => {
  const setup: CellsSetup = { ...DEFAULT_SETUP, sample: null, text: "one & two" };
  const link = new URL(linkTo(setup, "https://docs.example/playground?cells=old#model") ?? "");
  expect([link.origin, link.pathname, link.hash]).toEqual(["https://docs.example", "/playground", "#cells"]);
  expect(decodeSetup(link.searchParams.get("cells"))).toEqual(setup);
});

test("a link has at most 8,000 characters, as it is written in the address", () => {
  const link = (text: string): string | undefined =>
    linkTo({ ...DEFAULT_SETUP, sample: null, text }, "https://docs.example/playground");
  const room = 8000 - (link("")?.length ?? 0);
  expect(link("x".repeat(room))).toHaveLength(8000);
  expect(link("x".repeat(room + 1))).toBeUndefined();
  expect(link("ä".repeat(room / 2))).toBeUndefined();
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
