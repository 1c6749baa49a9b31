import { expect, test } from "vitest";

import { askPolicy } from "./ask-policy.js";
import { definePolicy, type CacheView, type EvictionPlan } from "./policy.js";

const read = (index: number): number => index;
const view: CacheView = { length: 8, budget: 8, required: 2, marks: [], token: read, streamPosition: read };

function answering(plan: () => EvictionPlan | null): ReturnType<typeof definePolicy> {
  return definePolicy({ name: "fixed", requires: ["reindex"], plan });
}

test("answers a plan that can be carried out", () => {
  const plan: EvictionPlan = { evict: [{ start: 1, end: 3 }], survivors: "reuse" };
  expect(
    askPolicy(
      answering(() => plan),
      view,
      true,
    ),
  ).toBe(plan);
});

test.each([
  [{ appended: 3, remaining: 2 }, "in use: 3 tokens of this call were appended, 2 were not."],
  [{ appended: 3, remaining: 0 }, "in use: the token generated last cannot be decoded."],
  [undefined, "all 8 cells are in use."],
])("says that nothing may leave, and where the call stands: %o", (progress, end) => {
  expect(() =>
    askPolicy(
      answering(() => null),
      view,
      true,
      progress,
    ),
  ).toThrow(
    expect.objectContaining({
      code: "cache-full",
      message: expect.stringMatching(new RegExp(`${end.replaceAll(".", "\\.")}$`)) as string,
      details: {
        policy: "fixed",
        budget: 8,
        appended: progress?.appended ?? NaN,
        remaining: progress?.remaining ?? NaN,
      },
    }) as Error,
  );
});

test.each([
  [{ appended: 3, remaining: 2 }, "must be freed. 3 tokens of this call had been appended."],
  [undefined, "it frees 1 cells where 2 must be freed."],
])("says what is wrong with a plan, and where the call stands: %o", (progress, end) => {
  const short = answering(() => ({ evict: [{ start: 1, end: 2 }], survivors: "reuse" }));
  expect(() => askPolicy(short, view, true, progress)).toThrow(
    expect.objectContaining({
      code: "invalid-plan",
      message: expect.stringMatching(new RegExp(`${end.replaceAll(".", "\\.")}$`)) as string,
      details: expect.objectContaining({ required: 2, appended: progress?.appended ?? NaN }) as object,
    }) as Error,
  );
});
