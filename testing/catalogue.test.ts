import { readFileSync } from "node:fs";

import { definePolicy, type KVCachePolicy, type Requirement } from "@kvpolicy/core";
import { pinned } from "@kvpolicy/pinned";
import { describe, expect, test } from "vitest";

import {
  checkEntry,
  needsOf,
  POLICY_GUIDE,
  README,
  withCatalogue,
  type CataloguedPolicy,
} from "./catalogue.js";

function requiring(...requires: Requirement[]): KVCachePolicy {
  return definePolicy({ name: "some", requires, plan: () => null });
}

describe.each([README, POLICY_GUIDE])("the catalogue in $path", (page) => {
  const text = readFileSync(page.path, "utf8");

  test("is what the packages say", async () => {
    expect(
      await withCatalogue(page, text),
      `the packages say otherwise (+) than ${page.path} (-): npm run catalogue`,
    ).toBe(text);
  });

  test("is written again wherever it differs, and nothing else is", async () => {
    const changed = text.replace(/^\| \[`?(@kvpolicy\/)?dense`?\].*\n/m, "");
    expect(changed).not.toBe(text);
    expect(await withCatalogue(page, changed)).toBe(await withCatalogue(page, text));
    expect(await withCatalogue(page, `Above.\n${text}Below.\n`)).toBe(
      `Above.\n${await withCatalogue(page, text)}Below.\n`,
    );
  });

  test("stands between two marks", async () => {
    await expect(withCatalogue(page, "# kvpolicy\n")).rejects.toThrow(`${page.path} lacks the lines`);
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
  const entry = { summary: "a", keeps: "b", loses: "c", cost: "f", source: { text: "d", url: "e" } };

  test("has all texts of a row", () => {
    expect(checkEntry("packages/policies/some", entry)).toEqual(entry);
  });

  test.each<[string, unknown]>([
    ["summary", undefined],
    ["summary", { ...entry, summary: "" }],
    ["keeps", { ...entry, keeps: 1 }],
    ["loses", { ...entry, loses: "one | two" }],
    ["cost", { ...entry, cost: undefined }],
    ["source.text", { ...entry, source: "d" }],
    ["source.url", { ...entry, source: { text: "d", url: "e\nf" } }],
  ])("is refused without a %s that fits a cell: %o", (name, field) => {
    expect(() => checkEntry("packages/policies/some", field)).toThrow(
      `packages/policies/some/package.json: kvpolicy.${name} must be one line`,
    );
  });
});
