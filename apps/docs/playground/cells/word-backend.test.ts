import { expect, test } from "vitest";

import { tokenize } from "./tokenize.js";
import { WordBackend } from "./word-backend.js";

const TEXT = tokenize("the sea the lighthouse");

test("a word is the more surprising the rarer and the longer it is", async () => {
  const backend = new WordBackend(TEXT, { capacity: 8 });
  await backend.decode(TEXT.ids.subarray(0, 1));
  const [the, sea, lighthouse] = [await backend.nll(0), await backend.nll(1), await backend.nll(2)];
  expect(the).toBeCloseTo(Math.log(2) + 0.3);
  expect(sea).toBeGreaterThan(the);
  expect(lighthouse).toBeGreaterThan(sea);
});

test("answers the same one by one and in a block", async () => {
  const backend = new WordBackend(TEXT, { capacity: 8 });
  const block = await backend.decode(TEXT.ids, { scoreFrom: 1 });
  expect(block).toEqual(Float64Array.of(await backend.nll(1), await backend.nll(0), await backend.nll(2)));
});

test("refuses what the fake refuses", async () => {
  const backend = new WordBackend(TEXT, { capacity: 2 });
  await expect(backend.nll(0)).rejects.toMatchObject({ code: "empty" });
  await expect(backend.decode(TEXT.ids)).rejects.toMatchObject({ code: "range" });
});
