import { policySuite } from "@kvpolicy/conformance";
import { createStream, type CacheView } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { window, type WindowOptions } from "./window.js";

function fullView(length: number, required = 1): CacheView {
  return Object.freeze({
    length,
    budget: length,
    required,
    marks: Object.freeze([]),
    token: (index: number) => index,
    streamPosition: (index: number) => index,
  });
}

/** The stream positions in the cache after each of `count` tokens. */
async function rowsOf(options: WindowOptions, count: number): Promise<string[]> {
  const stream = createStream({ backend: new FakeBackend(), policy: window(options) });
  const rows: string[] = [];
  for (let token = 0; token < count; token += 1) {
    await stream.append([token]);
    rows.push([...stream.cells().positions].join(" "));
  }
  return rows;
}

policySuite({ describe, test }, { name: "window()", create: () => window() });
policySuite(
  { describe, test },
  {
    name: "window({ window: 12, stride: 1 })",
    create: () => window({ window: 12, stride: 1 }),
    promises: { newest: true },
  },
);

describe("what stays", () => {
  test("stride 1 is the paper: the newest", async () => {
    expect((await rowsOf({ window: 4, stride: 1 }, 7)).slice(3)).toEqual([
      "0 1 2 3",
      "1 2 3 4",
      "2 3 4 5",
      "3 4 5 6",
    ]);
  });

  test("a stride frees several cells at once, then lets the window grow again", async () => {
    expect((await rowsOf({ window: 6, stride: 3 }, 10)).slice(5)).toEqual([
      "0 1 2 3 4 5",
      "3 4 5 6",
      "3 4 5 6 7",
      "3 4 5 6 7 8",
      "6 7 8 9",
    ]);
  });

  test("a stride of the whole window empties the cache", async () => {
    expect((await rowsOf({ window: 3, stride: 3 }, 5)).slice(2)).toEqual(["0 1 2", "3", "3 4"]);
  });

  test("the default stride is a sixteenth", () => {
    expect(window().plan(fullView(1024))).toEqual({ evict: [{ start: 0, end: 64 }], survivors: "reuse" });
  });

  test("is the last window − phase tokens, however long the stream", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(150),
        async (size, someStride, count) => {
          const stride = Math.min(someStride, size);
          const policy = window({ window: size, stride });
          const stream = createStream({ backend: new FakeBackend(), policy });
          await stream.append(new Uint32Array(count));
          const evictions = Math.max(0, Math.ceil((count - size) / stride));
          const positions = Array.from({ length: count }, (_, position) => position);
          expect([...stream.cells().positions]).toEqual(positions.slice(evictions * stride));
          expect(stream.stats.evictions).toBe(evictions);
        },
      ),
    );
  });
});

describe("plan", () => {
  test("frees at least what is required, the oldest first, or answers null", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.oneof(fc.constant(undefined), fc.constant("half" as const), fc.integer({ min: 1, max: 40 })),
        fc.integer({ min: 1, max: 48 }),
        (length, someStride, required) => {
          const stride = typeof someStride === "number" ? Math.min(someStride, length) : someStride;
          const view = fullView(length, required);
          const plan = window({ stride }).plan(view);
          if (required > length) {
            expect(plan).toBeNull();
            return;
          }
          const [range] = plan!.evict;
          expect(plan).toEqual({ evict: [{ start: 0, end: range!.end }], survivors: "reuse" });
          expect(range!.end).toBeGreaterThanOrEqual(required);
          expect(range!.end).toBeLessThanOrEqual(length);
        },
      ),
    );
  });

  test("keeps the newest token unless the stride is the whole window", () => {
    expect(window({ stride: 7 }).plan(fullView(8))).toMatchObject({ evict: [{ end: 7 }] });
    expect(window({ stride: 8 }).plan(fullView(8))).toMatchObject({ evict: [{ end: 8 }] });
  });
});

describe("options", () => {
  test.each<[WindowOptions, RegExp]>([
    [{ window: 0 }, /window must be a whole number of at least 1, not 0/],
    [{ window: -3 }, /window .* not -3/],
    [{ window: 2.5 }, /window .* not 2.5/],
    [{ stride: 0 }, /stride must be a whole number of at least 1, not 0/],
    [{ window: 8, stride: 9 }, /stride of 9 is larger than the window of 8/],
  ])("%o is refused", (options, message) => {
    expect(() => window(options)).toThrow(
      expect.objectContaining({
        code: "config",
        message: expect.stringMatching(message) as string,
      }) as Error,
    );
  });

  test("a window fixes the budget", () => {
    expect(window({ window: 12 }).budget).toBe(12);
    expect(window().budget).toBeUndefined();
  });

  test.each<[WindowOptions, number, string | undefined]>([
    [{}, 1, undefined],
    [{ stride: 9 }, 8, "the stride of 9 is larger than the window of 8 cells"],
    [{ stride: 8 }, 8, undefined],
    [{ stride: "half" }, 1, undefined],
  ])("%o with a budget of %i: %s", (options, budget, problem) => {
    expect(window(options).checkBudget?.(budget)).toBe(problem);
  });

  test("it needs a backend that re-indexes", () => {
    expect(window().requires).toEqual(["reindex"]);
  });
});

describe("describe", () => {
  test.each<[WindowOptions, object, object]>([
    [{}, { first: 0, recent: "rest", stride: "default", survivors: "reuse" }, { window: null, stride: null }],
    [
      { window: 8, stride: 2 },
      { first: 0, recent: 8, stride: 2, survivors: "reuse" },
      { window: 8, stride: 2 },
    ],
  ])("%o is plain data", (settings, shape, options) => {
    expect(window(settings).describe()).toEqual({ name: "window", shape, options });
  });
});
