import { readFile } from "node:fs/promises";

import { createTokenizer, loadModel } from "@kvpolicy/reference-backend";
import { expect, it } from "vitest";

import { loadText } from "../../../../packages/cli/src/load-text.js";
import { cutExcerpt } from "./moby-dick.js";
import { DEFAULT_SETTINGS, findSettingsProblem, MODEL_CHOICES, nameOf, TOKEN_CHOICES } from "./settings.js";

it("offers what can work at first", () => {
  expect(findSettingsProblem(DEFAULT_SETTINGS)).toBeUndefined();
});

it.each([
  [{ budget: 15 }, "budget"],
  [{ budget: 257 }, "budget"],
  [{ budget: NaN }, "budget"],
  [{ stride: 0 }, "stride"],
  [{ stride: 1.5 }, "stride"],
  [{ budget: 32, stride: 32 }, "stride"],
  [{ textSource: "own", ownText: " \n" }, "nothing to read"],
] as const)("says what is wrong with %o", (change, word) => {
  expect(findSettingsProblem({ ...DEFAULT_SETTINGS, ...change })).toContain(word);
});

it("names a policy by what was set", () => {
  expect(nameOf({ policy: "sink-window", options: {} })).toBe("sink-window");
  expect(nameOf({ policy: "sink-window", options: { sinks: 1, stride: 8 }, wrappers: ["pinned"] })).toBe(
    "sink-window (sinks 1, stride 8, pinned)",
  );
});

it("reads what the command reads", async () => {
  const { text } = await loadText(undefined);
  const excerpt = cutExcerpt();
  expect(text.startsWith(excerpt)).toBe(true);
  expect(excerpt.endsWith(".")).toBe(true);
});

it.each(MODEL_CHOICES.map(({ model }) => [model.name, model] as const))(
  "has an excerpt long enough for every choice with %s",
  async (_, { url }) => {
    const { metadata } = await loadModel(await readFile(url));
    expect(createTokenizer(metadata).encode(cutExcerpt()).length).toBeGreaterThan(Math.max(...TOKEN_CHOICES));
  },
);
