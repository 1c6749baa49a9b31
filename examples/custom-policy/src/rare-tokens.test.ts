import { policySuite } from "@kvpolicy/conformance";
import { createStream, type KVCachePolicy } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { describe, expect, test } from "vitest";

import { rareTokens, type RareTokensOptions } from "./rare-tokens.js";

/** The stream positions that are cached after a stream of these token ids. */
async function keptOf(policy: KVCachePolicy, budget: number, ids: readonly number[]): Promise<string> {
  const stream = createStream({ backend: new FakeBackend(), policy, budget });
  await stream.append(ids);
  return [...stream.cells().positions].join(" ");
}

// What every policy has to obey, with random views and long streams: one law a test. Promise what yours keeps.
policySuite(
  { describe, test },
  {
    name: "rareTokens()",
    create: () => rareTokens(),
    budgets: { minimum: 38, maximum: 200 },
    promises: { first: 4, newest: true, endless: true },
  },
);
policySuite(
  { describe, test },
  {
    name: 'rareTokens({ sinks: 0, rare: 3, stride: "half" })',
    create: () => rareTokens({ sinks: 0, rare: 3, stride: "half" }),
    promises: { endless: true },
  },
);

// What yours does and no other: which stream positions stay. Count them by hand, not with the policy.
describe("what stays", () => {
  test.each<[why: string, options: RareTokensOptions, ids: readonly number[], kept: string]>([
    [
      "everything, until the cache is full",
      { sinks: 1, rare: 2, stride: 2 },
      [0, 5, 8, 5, 5, 5, 6, 5],
      "0 1 2 3 4 5 6 7",
    ],
    [
      "the rarest, and the newest of equals: the picture in the README",
      { sinks: 1, rare: 2, stride: 2 },
      [0, 5, 8, 5, 5, 5, 6, 5, 7],
      "0 2 4 5 6 7 8",
    ],
    [
      "at the next eviction, what is rare then",
      { sinks: 1, rare: 2, stride: 2 },
      [0, 5, 8, 5, 5, 5, 6, 5, 8, 8, 7],
      "0 5 6 7 8 9 10",
    ],
    [
      "what is rare with the sinks counted",
      { sinks: 1, rare: 1, stride: 1 },
      [1, 2, 1, 3, 3, 3, 3, 3, 9],
      "0 1 3 4 5 6 7 8",
    ],
    [
      "what is rare with the window counted",
      { sinks: 1, rare: 1, stride: 1 },
      [0, 2, 1, 1, 3, 3, 3, 3, 9],
      "0 1 3 4 5 6 7 8",
    ],
    [
      "without rare tokens, the sinks and the window",
      { sinks: 2, rare: 0, stride: 3 },
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
      "0 1 5 6 7 8",
    ],
  ])("%s", async (_, options, ids, kept) => {
    expect(await keptOf(rareTokens(options), 8, ids)).toBe(kept);
  });
});

describe("options", () => {
  test.each<[RareTokensOptions, RegExp]>([
    [{ sinks: -1 }, /sinks must be a whole number of at least 0, not -1/],
    [{ rare: 1.5 }, /rare must be a whole number of at least 0, not 1.5/],
    [{ stride: 0 }, /stride must be a whole number of at least 1, not 0/],
  ])("%o is refused", (options, message) => {
    expect(() => rareTokens(options)).toThrow(message);
  });

  test.each<[RareTokensOptions, number, string | undefined]>([
    [{}, 36, "4 sinks and 32 rare tokens leave no room for a window"],
    [{}, 37, undefined],
    [{ sinks: 1, rare: 2, stride: 6 }, 8, "the stride of 6 is larger than the window of 5 cells"],
  ])("%o with a budget of %i: %s", (options, budget, problem) => {
    expect(rareTokens(options).checkBudget?.(budget)).toBe(problem);
  });
});
