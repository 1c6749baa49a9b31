import { readFileSync } from "node:fs";

import { brokenLaws, policyLaws, type PolicySubject } from "@kvpolicy/conformance";
import { definePolicy, keepHighest, type KVCachePolicy, type PolicyDefinition } from "@kvpolicy/core";
import { describe, expect, test } from "vitest";

/** The `fifo` of the guide, with some of its members replaced. */
function fifo(changes: Partial<PolicyDefinition> = {}): KVCachePolicy {
  return definePolicy({
    name: "fifo",
    requires: ["reindex"],
    plan: ({ required }) => ({ evict: [{ start: 0, end: required }], survivors: "reuse" }),
    ...changes,
  });
}

function countingItsCalls(): KVCachePolicy {
  let calls = 0;
  return fifo({
    plan: ({ length, required }) => {
      calls += 1;
      const end = Math.min(length, Math.max(required, 1 + (calls % 2)));
      return { evict: [{ start: 0, end }], survivors: "reuse" };
    },
  });
}

/** One cell a range, in the order of what the cells are worth. */
function unsorted(): KVCachePolicy {
  return fifo({
    plan: ({ length, required, token }) => {
      const worst = Array.from({ length }, (_, index) => index).sort(
        (one, other) => token(one) - token(other),
      );
      const evict = worst.slice(0, required).map((index) => ({ start: index, end: index + 1 }));
      return { evict, survivors: "reuse" };
    },
  });
}

function readingPastTheEnd(): KVCachePolicy {
  return fifo({
    plan: ({ length, required, token }) => {
      let lowest = 0;
      for (let index = 1; index <= length; index += 1) if (token(index) < token(lowest)) lowest = index;
      const start = Math.min(lowest, length - required);
      return { evict: [{ start, end: start + required }], survivors: "reuse" };
    },
  });
}

type Mistake = readonly [
  mistake: string,
  create: () => KVCachePolicy,
  promises: PolicySubject["promises"],
  says: string,
];

/** What goes wrong in new policies, and what the suite says of it, up to the seed. */
const mistakes: readonly Mistake[] = [
  [
    "reuses the survivors, and `requires` is left out",
    () => fifo({ requires: [] }),
    {},
    'The law "reuses survivors only when it requires reindex" is broken: it reuses the survivors and does not require "reindex"',
  ],
  [
    "always frees four cells, whatever is `required`",
    () =>
      fifo({
        plan: ({ length }) => ({ evict: [{ start: 0, end: Math.min(4, length) }], survivors: "reuse" }),
      }),
    {},
    'The law "frees at least what is required, or answers null" is broken: it frees 4 cells where 5 are required',
  ],
  [
    "counts its calls",
    countingItsCalls,
    {},
    'The law "answers the same for the same view" is broken: it answered reuse [0, 2) and, asked again, reuse [0, 1) for the same view',
  ],
  [
    "names cells in the order of their worth",
    unsorted,
    {},
    'The law "names sorted, disjoint ranges of cells in use" is broken: [1, 2) overlaps the range before it, or is not sorted',
  ],
  [
    "loops to `index <= length`",
    readingPastTheEnd,
    {},
    'The law "reads only cells that are in use" is broken: it read token(1) of 1 cells',
  ],
  [
    "evicts behind four sinks, also from a cache of one cell",
    () =>
      fifo({ plan: ({ required }) => ({ evict: [{ start: 4, end: 4 + required }], survivors: "reuse" }) }),
    { first: 4 },
    'The law "works with every budget that it accepts" is broken: with a budget of 1 cells: KVPolicyError: Policy "fifo" answered with an invalid plan: [4, 5) lies outside the 1 cells in use.',
  ],
  [
    "answers `null` for that, and has no `checkBudget`",
    () =>
      fifo({
        plan: ({ length, required }) =>
          length < 4 + required ? null : { evict: [{ start: 4, end: 4 + required }], survivors: "reuse" },
      }),
    { first: 4, endless: true },
    'The law "goes on for ever within its budget" is broken: Policy "fifo" lets nothing leave and all 1 cells are in use',
  ],
  [
    "reads `nll` and does not require it",
    () =>
      fifo({
        plan: (view) =>
          keepHighest(view, { first: 0, between: 2, stride: 1, score: (index) => view.nll!(index) }),
      }),
    {},
    'The law "reads only cells that are in use" is broken: view.nll is not a function',
  ],
  [
    "describes a stride of two and frees one cell",
    () =>
      fifo({
        describe: () => ({
          name: "fifo",
          shape: { first: 0, recent: "rest", stride: 2, survivors: "reuse" },
          options: {},
        }),
      }),
    {},
    'The law "evicts what its shape says" is broken: its shape says a stride of 2, which is 2 of the 8 cells that may leave where 1 are required, and it evicts 1',
  ],
  [
    "promises to keep the newest token, with a budget of one cell",
    () => fifo(),
    { newest: true },
    'The law "never evicts the newest token when a stream asks" is broken: it evicts cell 0',
  ],
  [
    "takes 101 cells and more, and the suite is not told",
    () => fifo({ checkBudget: (budget) => (budget > 100 ? undefined : "100 pins leave no room") }),
    {},
    "it accepts no budget from 1 to 48 cells: the subject's option budgets says which to try",
  ],
];

describe("the guide quotes what the suite says of a policy that", () => {
  const guide = readFileSync(new URL("../guide/write-your-own-policy.md", import.meta.url), "utf8");
  const rows = guide.split("\n").map((line) => line.replaceAll(/ +/g, " "));

  test.each(mistakes)("%s", async (mistake, create, promises, says) => {
    const broken = await brokenLaws(policyLaws, { name: "a policy", create, promises, seed: 1 });
    const messages = broken.map(({ message }) => message);
    expect(messages).toContainEqual(expect.stringContaining(says));
    expect(rows).toContain(`| ${mistake} | ${says} |`);
  });

  test("is the fifo itself: nothing", async () => {
    const subject = { name: "fifo", create: () => fifo(), promises: { endless: true }, seed: 1 };
    expect(await brokenLaws(policyLaws, subject)).toEqual([]);
  });
});
