import { readFileSync } from "node:fs";

import { definePolicy, type KVCachePolicy, type Requirement } from "@kvpolicy/core";
import { pinned } from "@kvpolicy/pinned";
import { describe, expect, test } from "vitest";

import { checkEntry, needsOf, withCatalogue, type CataloguedPolicy } from "./catalogue.js";

const readme = readFileSync("README.md", "utf8");

function requiring(...requires: Requirement[]): KVCachePolicy {
  return definePolicy({ name: "some", requires, plan: () => null });
}

describe("the catalogue in the README", () => {
  test("is what the packages say", async () => {
    expect(
      await withCatalogue(readme),
      "the packages say otherwise (+) than README.md (-): npm run catalogue",
    ).toBe(readme);
  });

  test("is written again wherever it differs, and nothing else is", async () => {
    const changed = readme.replace(/^\| \[`@kvpolicy\/dense`\].*\n/m, "");
    expect(changed).not.toBe(readme);
    expect(await withCatalogue(changed)).toBe(await withCatalogue(readme));
    expect(await withCatalogue(`Above.\n${readme}Below.\n`)).toBe(
      `Above.\n${await withCatalogue(readme)}Below.\n`,
    );
  });

  test("stands between two marks", async () => {
    await expect(withCatalogue("# kvpolicy\n")).rejects.toThrow(/README.md lacks the lines/);
  });
});

describe("what a policy needs", () => {
  test.each<[string, CataloguedPolicy]>([
    ["–", requiring()],
    ["`reindex`", requiring("reindex")],
    ["`reindex`, `nll`", requiring("reindex", "nll")],
    ["as inner", pinned],
  ])("is said as %s", (needs, policy) => {
    expect(needsOf("some", policy)).toBe(needs);
  });

  test("is refused of a combinator that asks for something else", () => {
    expect(() => needsOf("some", () => requiring("reindex"))).toThrow(/some does not require what dense/);
  });
});

describe("the field kvpolicy of a package.json", () => {
  const entry = { summary: "a", keeps: "b", loses: "c", source: { text: "d", url: "e" } };

  test("has all texts of a row", () => {
    expect(checkEntry("packages/policies/some", entry)).toEqual(entry);
  });

  test.each<[string, unknown]>([
    ["summary", undefined],
    ["summary", { ...entry, summary: "" }],
    ["keeps", { ...entry, keeps: 1 }],
    ["loses", { ...entry, loses: "one | two" }],
    ["source.text", { ...entry, source: "d" }],
    ["source.url", { ...entry, source: { text: "d", url: "e\nf" } }],
  ])("is refused without a %s that fits a cell: %o", (name, field) => {
    expect(() => checkEntry("packages/policies/some", field)).toThrow(
      `packages/policies/some/package.json: kvpolicy.${name} must be one line`,
    );
  });
});
