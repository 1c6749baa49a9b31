import { expect, test } from "vitest";

import { alibiSlopes } from "./alibi.js";

test("a power of two of heads has a geometric series, from 2^(−8/n) on, as the paper says", () => {
  expect([...alibiSlopes(8, 8)]).toEqual([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]);
});

test("further heads take every other slope of the series twice as fine", () => {
  const finer = [...alibiSlopes(8, 8)];
  expect([...alibiSlopes(6, 8)]).toEqual([...alibiSlopes(4, 8), finer[0], finer[2]]);
});

test("no bias, no penalty", () => {
  expect([...alibiSlopes(3, 0)]).toEqual([0, 0, 0]);
});
