import { policySuite } from "@kvpolicy/conformance";
import { createStream, type CacheView, type KVCachePolicy } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sinkWindow, type SinkWindowOptions } from "./sink-window.js";

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
async function rowsOf(policy: KVCachePolicy, budget: number, count: number): Promise<string[]> {
  const stream = createStream({ backend: new FakeBackend(), policy, budget });
  const rows: string[] = [];
  for (let token = 0; token < count; token += 1) {
    await stream.append([token]);
    rows.push([...stream.cells().positions].join(" "));
  }
  return rows;
}

function configError(message: RegExp): Error {
  return expect.objectContaining({
    code: "config",
    message: expect.stringMatching(message) as string,
  }) as Error;
}

policySuite({ describe, test }, { name: "sinkWindow()", create: () => sinkWindow() });
policySuite(
  { describe, test },
  {
    name: "sinkWindow({ sinks: 4, window: 12, stride: 1 })",
    create: () => sinkWindow({ sinks: 4, window: 12, stride: 1 }),
    promises: { newest: true },
  },
);
policySuite(
  { describe, test },
  {
    name: 'sinkWindow({ sinks: 2, stride: "half" })',
    create: () => sinkWindow({ sinks: 2, stride: "half" }),
  },
);

describe("what stays", () => {
  test("stride 1 is the paper: the sinks and the newest", async () => {
    expect((await rowsOf(sinkWindow({ sinks: 2, window: 3, stride: 1 }), 5, 8)).slice(4)).toEqual([
      "0 1 2 3 4",
      "0 1 3 4 5",
      "0 1 4 5 6",
      "0 1 5 6 7",
    ]);
  });

  test("a stride frees several cells at once, then lets the window grow again", async () => {
    expect((await rowsOf(sinkWindow({ sinks: 2, window: 6, stride: 3 }), 8, 12)).slice(7)).toEqual([
      "0 1 2 3 4 5 6 7",
      "0 1 5 6 7 8",
      "0 1 5 6 7 8 9",
      "0 1 5 6 7 8 9 10",
      "0 1 8 9 10 11",
    ]);
  });

  test("half of the window leaves at once", async () => {
    expect((await rowsOf(sinkWindow({ sinks: 1, stride: "half" }), 7, 8)).at(-1)).toBe("0 4 5 6 7");
  });

  test("a stride of the whole window leaves the sinks alone", async () => {
    expect((await rowsOf(sinkWindow({ sinks: 1, window: 3, stride: 3 }), 4, 6)).slice(4)).toEqual([
      "0 4",
      "0 4 5",
    ]);
  });

  test("the defaults are four sinks and a sixteenth of the rest", () => {
    expect(sinkWindow().plan(fullView(1028))).toEqual({
      evict: [{ start: 4, end: 68 }],
      survivors: "reuse",
    });
  });

  test("is the first sinks and the last window − phase tokens, however long the stream", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(5),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(150),
        async (sinks, window, someStride, count) => {
          const stride = Math.min(someStride, window);
          const policy = sinkWindow({ sinks, window, stride });
          const stream = createStream({ backend: new FakeBackend(), policy });
          await stream.append(new Uint32Array(count));
          const evictions = Math.max(0, Math.ceil((count - sinks - window) / stride));
          const positions = Array.from({ length: count }, (_, position) => position);
          expect([...stream.cells().positions]).toEqual([
            ...positions.slice(0, sinks),
            ...positions.slice(sinks + evictions * stride),
          ]);
          expect(stream.stats.evictions).toBe(evictions);
        },
      ),
    );
  });
});

describe("plan", () => {
  test("frees at least what is required, or answers null; spares the sinks", () => {
    fc.assert(
      fc.property(
        fc.nat(8),
        fc.integer({ min: 1, max: 40 }),
        fc.oneof(fc.constant(undefined), fc.constant("half" as const), fc.integer({ min: 1, max: 40 })),
        fc.integer({ min: 1, max: 48 }),
        (sinks, window, someStride, someRequired) => {
          const stride = typeof someStride === "number" ? Math.min(someStride, window) : someStride;
          const view = fullView(sinks + window, Math.min(someRequired, sinks + window));
          const plan = sinkWindow({ sinks, stride }).plan(view);
          if (view.required > window) {
            expect(plan).toBeNull();
            return;
          }
          const [range] = plan!.evict;
          expect(plan).toEqual({ evict: [{ start: sinks, end: range!.end }], survivors: "reuse" });
          expect(range!.end - sinks).toBeGreaterThanOrEqual(view.required);
          expect(range!.end).toBeLessThanOrEqual(view.length);
        },
      ),
    );
  });

  test("keeps the newest token unless the stride is the whole window", () => {
    expect(sinkWindow({ sinks: 2, stride: 5 }).plan(fullView(8))).toMatchObject({ evict: [{ end: 7 }] });
    expect(sinkWindow({ sinks: 2, stride: 6 }).plan(fullView(8))).toMatchObject({ evict: [{ end: 8 }] });
  });
});

describe("options", () => {
  test.each<[SinkWindowOptions, RegExp]>([
    [{ sinks: -1 }, /sinks must be a whole number of at least 0, not -1/],
    [{ sinks: 1.5 }, /sinks .* not 1.5/],
    [{ window: 0 }, /window must be a whole number of at least 1, not 0/],
    [{ window: 2.5 }, /window .* not 2.5/],
    [{ stride: 0 }, /stride must be a whole number of at least 1, not 0/],
    [{ window: 8, stride: 9 }, /stride of 9 is larger than the window of 8/],
  ])("%o is refused", (options, message) => {
    expect(() => sinkWindow(options)).toThrow(configError(message));
  });

  test("a window fixes the budget", () => {
    expect(sinkWindow({ sinks: 4, window: 12 }).budget).toBe(16);
    expect(sinkWindow({ sinks: 4 }).budget).toBeUndefined();
  });

  test.each<[SinkWindowOptions, number, string | undefined]>([
    [{}, 4, "4 sinks leave no room for a window"],
    [{}, 5, undefined],
    [{ sinks: 2, stride: 7 }, 8, "the stride of 7 is larger than the window of 6 cells"],
    [{ sinks: 2, stride: 6 }, 8, undefined],
    [{ stride: "half" }, 5, undefined],
  ])("%o with a budget of %i: %s", (options, budget, problem) => {
    expect(sinkWindow(options).checkBudget?.(budget)).toBe(problem);
  });

  test("it needs a backend that re-indexes", () => {
    expect(sinkWindow().requires).toEqual(["reindex"]);
  });
});

describe("describe", () => {
  test.each<[SinkWindowOptions, object, object]>([
    [
      {},
      { first: 4, recent: "rest", stride: "default", survivors: "reuse" },
      { sinks: 4, window: null, stride: null },
    ],
    [
      { sinks: 1, window: 8, stride: "half" },
      { first: 1, recent: 8, stride: "half", survivors: "reuse" },
      { sinks: 1, window: 8, stride: "half" },
    ],
  ])("%o is plain data", (settings, shape, options) => {
    expect(sinkWindow(settings).describe()).toEqual({ name: "sink-window", shape, options });
  });
});
