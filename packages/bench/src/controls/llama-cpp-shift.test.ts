import { policySuite } from "@kvpolicy/conformance";
import { createStream, type KVCachePolicy } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { sinkWindow } from "@kvpolicy/sink-window";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { llamaCppShift, type LlamaCppShiftOptions } from "./llama-cpp-shift.js";

policySuite({ describe, test }, { name: "llamaCppShift()", create: () => llamaCppShift() });
policySuite(
  { describe, test },
  {
    name: "llamaCppShift({ keep: 3 })",
    create: () => llamaCppShift({ keep: 3 }),
    promises: { first: 3, endless: true },
  },
);
policySuite(
  { describe, test },
  {
    name: "llamaCppShift({ stride: 5 })",
    create: () => llamaCppShift({ stride: 5 }),
    promises: { first: "bos", endless: true },
  },
);

/** The stream positions in the cache after each of `count` tokens. */
async function rowsOf(policy: KVCachePolicy, budget: number, count: number, bos?: number): Promise<string[]> {
  await using stream = createStream({ backend: new FakeBackend(), policy, budget, bos });
  const rows: string[] = [];
  for (let token = 0; token < count; token += 1) {
    await stream.append([token % 100]);
    rows.push([...stream.cells().positions].join(" "));
  }
  return rows;
}

describe("what stays", () => {
  test("is what llama.cpp keeps: half of what is behind n_keep leaves", async () => {
    expect((await rowsOf(llamaCppShift({ keep: 2 }), 9, 14)).slice(8)).toEqual([
      "0 1 2 3 4 5 6 7 8",
      "0 1 5 6 7 8 9",
      "0 1 5 6 7 8 9 10",
      "0 1 5 6 7 8 9 10 11",
      "0 1 8 9 10 11 12",
      "0 1 8 9 10 11 12 13",
    ]);
  });

  test("is nothing of the beginning by default, but the beginning-of-sequence token where there is one", async () => {
    expect((await rowsOf(llamaCppShift(), 6, 7)).at(-1)).toBe("3 4 5 6");
    expect((await rowsOf(llamaCppShift(), 6, 6, 1)).at(-1)).toBe("0 3 4 5 6");
  });

  test("is cell for cell sinkWindow with a stride of half, or with the stride given", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(5),
        fc.integer({ min: 8, max: 24 }),
        fc.option(fc.integer({ min: 1, max: 24 }), { nil: undefined }),
        fc.boolean(),
        async (keep, budget, someStride, hasBos) => {
          const stride = someStride === undefined ? undefined : Math.min(someStride, budget - keep - 1);
          const sinks = hasBos ? keep + 1 : keep;
          const bos = hasBos ? 1 : undefined;
          expect(await rowsOf(llamaCppShift({ keep, stride }), budget, 80, bos)).toEqual(
            await rowsOf(sinkWindow({ sinks, stride: stride ?? "half" }), budget, 80, bos),
          );
        },
      ),
    );
  });

  test("does not read a mark of that name elsewhere, or another one", () => {
    const policy = llamaCppShift();
    const view = { length: 8, budget: 8, required: 1, token: () => 0, streamPosition: () => 0 };
    const evict = [{ start: 0, end: 4 }];
    expect(policy.plan({ ...view, marks: [{ name: "bos", start: 2, end: 3 }] })).toMatchObject({ evict });
    expect(policy.plan({ ...view, marks: [{ name: "turn", start: 0, end: 1 }] })).toMatchObject({ evict });
  });

  test("spares the kept tokens: where more must leave than may, the answer is null", () => {
    const policy = llamaCppShift({ keep: 3 });
    const view = { length: 8, budget: 8, marks: [], token: () => 0, streamPosition: () => 0 };
    expect(policy.plan({ ...view, required: 5 })).toMatchObject({ evict: [{ start: 3, end: 8 }] });
    expect(policy.plan({ ...view, required: 6 })).toBeNull();
  });
});

describe("options", () => {
  test.each<[LlamaCppShiftOptions, RegExp]>([
    [{ keep: -1 }, /keep must be a whole number of at least 0, not -1/],
    [{ keep: 1.5 }, /keep .* not 1.5/],
    [{ stride: 0 }, /stride .* not 0/],
    [{ stride: 2.5 }, /stride .* not 2.5/],
  ])("%o are refused", (options, message) => {
    expect(() => llamaCppShift(options)).toThrow(
      expect.objectContaining({ code: "config", message: expect.stringMatching(message) as string }),
    );
  });

  test.each<[LlamaCppShiftOptions, number, string | undefined]>([
    [{}, 1, "a beginning-of-sequence token and 0 kept tokens leave no room for a window"],
    [{}, 2, undefined],
    [{ keep: 4 }, 5, "a beginning-of-sequence token and 4 kept tokens leave no room for a window"],
    [{ keep: 4, stride: 4 }, 8, "the stride of 4 is larger than the window of 3 cells"],
    [{ keep: 4, stride: 3 }, 8, undefined],
  ])("%o with a budget of %i: %s", (options, budget, problem) => {
    expect(llamaCppShift(options).checkBudget?.(budget)).toBe(problem);
  });

  test("are described", () => {
    expect(llamaCppShift().describe()).toEqual({
      name: "llama-cpp-shift",
      shape: { first: "bos", recent: "rest", stride: "half", survivors: "reuse" },
      options: { keep: 0, stride: "half" },
    });
    // No shape says "the beginning-of-sequence token and four more".
    expect(llamaCppShift({ keep: 4, stride: 8 }).describe()).toEqual({
      name: "llama-cpp-shift",
      shape: "opaque",
      options: { keep: 4, stride: 8 },
    });
    expect(llamaCppShift().requires).toEqual(["reindex"]);
  });
});
