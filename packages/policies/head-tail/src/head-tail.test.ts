import { policySuite } from "@kvpolicy/conformance";
import {
  createStream,
  PINNED_MARK,
  type CacheRange,
  type CacheStream,
  type CacheView,
  type KVCachePolicy,
} from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { pinned } from "@kvpolicy/pinned";
import { sinkWindow } from "@kvpolicy/sink-window";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { headTail, type HeadTailOptions } from "./head-tail.js";

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
    await stream.append([token % 100]);
    rows.push([...stream.cells().positions].join(" "));
  }
  return rows;
}

/** A budget, a share of it that is a whole number of 64ths, the cells of that share, and a stride that the rest allows. */
const settled = fc
  .record({
    budget: fc.integer({ min: 1, max: 48 }),
    parts: fc.nat(63),
    someStride: fc.oneof(
      fc.constant(undefined),
      fc.constant("half" as const),
      fc.integer({ min: 1, max: 48 }),
    ),
  })
  .map(({ budget, parts, someStride }) => {
    const first = (budget * parts) >> 6;
    const stride = typeof someStride === "number" ? Math.min(someStride, budget - first) : someStride;
    return { budget, head: parts / 64, first, stride };
  });

policySuite(
  { describe, test },
  { name: "headTail()", create: () => headTail(), promises: { endless: true } },
);
policySuite(
  { describe, test },
  {
    name: "headTail({ head: 0.25, stride: 1 })",
    create: () => headTail({ head: 0.25, stride: 1 }),
    budgets: { minimum: 8, maximum: 48 },
    promises: { first: 2, newest: true, endless: true },
  },
);
policySuite(
  { describe, test },
  {
    name: 'headTail({ head: 0, stride: "half" })',
    create: () => headTail({ head: 0, stride: "half" }),
    promises: { endless: true },
  },
);

describe("what stays", () => {
  test("half of the budget from the beginning, and the newest", async () => {
    expect((await rowsOf(headTail({ stride: 1 }), 6, 9)).slice(5)).toEqual([
      "0 1 2 3 4 5",
      "0 1 2 4 5 6",
      "0 1 2 5 6 7",
      "0 1 2 6 7 8",
    ]);
  });

  test("a stride frees several cells of the tail at once, then lets it grow again", async () => {
    expect((await rowsOf(headTail({ head: 0.25, stride: 3 }), 8, 12)).slice(7)).toEqual([
      "0 1 2 3 4 5 6 7",
      "0 1 5 6 7 8",
      "0 1 5 6 7 8 9",
      "0 1 5 6 7 8 9 10",
      "0 1 8 9 10 11",
    ]);
  });

  test("half of the tail leaves at once", async () => {
    expect((await rowsOf(headTail({ head: 0.25, stride: "half" }), 8, 9)).at(-1)).toBe("0 1 5 6 7 8");
  });

  test("a stride of the whole tail leaves the head alone", async () => {
    expect((await rowsOf(headTail({ stride: 3 }), 6, 8)).slice(6)).toEqual(["0 1 2 6", "0 1 2 6 7"]);
  });

  test("the defaults are half of the budget and a sixteenth of the rest", () => {
    expect(headTail().plan(fullView(1024))).toEqual({
      evict: [{ start: 512, end: 544 }],
      survivors: "reuse",
    });
  });

  test.each<[number, string, string]>([
    [1, "0", "9"],
    [2, "0 1", "0 9"],
    [3, "0 1 2", "0 8 9"],
    [4, "0 1 2 3", "0 1 8 9"],
    [5, "0 1 2 3 4", "0 1 7 8 9"],
  ])("a budget of %i rounds the head down", async (budget, full, last) => {
    const rows = await rowsOf(headTail(), budget, 10);
    expect(rows[budget - 1]).toBe(full);
    expect(rows.at(-1)).toBe(last);
  });

  test("a share that is less than a cell, or none, keeps no head", async () => {
    expect((await rowsOf(headTail({ head: 0, stride: 1 }), 4, 6)).at(-1)).toBe("2 3 4 5");
    expect(headTail({ head: 0.29 }).describe(100).first).toBe(29);
    expect(headTail({ head: 0.57 }).describe(100).first).toBe(57);
    expect((await rowsOf(headTail({ head: 0.24, stride: 1 }), 4, 6)).at(-1)).toBe("2 3 4 5");
    expect((await rowsOf(headTail({ head: 0.25, stride: 1 }), 4, 6)).at(-1)).toBe("0 3 4 5");
  });

  test("the largest share below 1 leaves one cell of any budget", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (budget) => {
        expect(headTail({ head: 1 - Number.EPSILON / 2 }).plan(fullView(budget))?.evict).toEqual([
          { start: budget - 1, end: budget },
        ]);
      }),
    );
  });

  test("is the head and the last tail − phase tokens, however long the stream", async () => {
    await fc.assert(
      fc.asyncProperty(settled, fc.nat(200), async ({ budget, head, first, stride = 1 }, count) => {
        const stream = createStream({
          backend: new FakeBackend(),
          policy: headTail({ head, stride }),
          budget,
        });
        await stream.append(new Uint32Array(count));
        const freed = stride === "half" ? Math.max(1, (budget - first) >> 1) : stride;
        const evictions = Math.max(0, Math.ceil((count - budget) / freed));
        const positions = Array.from({ length: count }, (_, position) => position);
        expect([...stream.cells().positions]).toEqual([
          ...positions.slice(0, first),
          ...positions.slice(first + evictions * freed),
        ]);
        expect(stream.stats.evictions).toBe(evictions);
      }),
    );
  });

  test("is what sinkWindow keeps with as many sinks, cell by cell", async () => {
    await fc.assert(
      fc.asyncProperty(settled, fc.nat(150), async ({ budget, head, first, stride }, count) => {
        expect(await rowsOf(headTail({ head, stride }), budget, count)).toEqual(
          await rowsOf(sinkWindow({ sinks: first, stride }), budget, count),
        );
      }),
    );
  });

  test("the tail was read with the middle still there: it predicts otherwise than a prompt cut before", async () => {
    const text = Array.from({ length: 12 }, (_, token) => token);
    const policy = headTail({ stride: 1 });
    const read = createStream({ backend: new FakeBackend(), policy, budget: 8 });
    await read.append(text);
    const cut = createStream({ backend: new FakeBackend(), policy, budget: 8 });
    await cut.append([...text.slice(0, 4), ...text.slice(8)]);
    expect([...read.cells().tokens]).toEqual([...cut.cells().tokens]);
    expect(read.stats).toMatchObject({ tokens: 12, recomputedTokens: 0 });
    expect(await read.score([13])).not.toEqual(await cut.score([13]));
  });
});

describe("plan", () => {
  test("is that of sinkWindow with as many sinks, whatever is required", () => {
    fc.assert(
      fc.property(
        settled,
        fc.integer({ min: 1, max: 48 }),
        ({ budget, head, first, stride }, someRequired) => {
          const view = fullView(budget, Math.min(someRequired, budget));
          expect(headTail({ head, stride }).plan(view)).toEqual(
            sinkWindow({ sinks: first, stride }).plan(view),
          );
        },
      ),
    );
  });

  test("frees what is required, and nothing when that takes the head", () => {
    const policy = headTail({ stride: 2 });
    expect(policy.plan(fullView(8, 3))?.evict).toEqual([{ start: 4, end: 7 }]);
    expect(policy.plan(fullView(8, 4))?.evict).toEqual([{ start: 4, end: 8 }]);
    expect(policy.plan(fullView(8, 5))).toBeNull();
  });

  test("keeps the newest token unless the stride is the whole tail", () => {
    expect(headTail({ stride: 3 }).plan(fullView(8))).toMatchObject({ evict: [{ end: 7 }] });
    expect(headTail({ stride: 4 }).plan(fullView(8))).toMatchObject({ evict: [{ end: 8 }] });
  });
});

describe("around pins", () => {
  const openPinned = (...pins: readonly CacheRange[]): CacheStream => {
    const policy = pinned(headTail({ head: 0.25, stride: 1 }));
    const stream = createStream({ backend: new FakeBackend(), policy, budget: 16 });
    for (const pin of pins) stream.mark(PINNED_MARK, pin);
    return stream;
  };

  test("a pinned beginning is a part of the head", async () => {
    const stream = openPinned({ start: 0, end: 3 });
    await stream.append(new Uint32Array(50));
    const tail = [38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49];
    expect([...stream.cells().positions]).toEqual([...[0, 1, 2, 3], ...tail]);
  });

  test("the head is a share of what pins behind it leave", async () => {
    const stream = openPinned({ start: 4, end: 8 });
    await stream.append(new Uint32Array(50));
    const tail = [41, 42, 43, 44, 45, 46, 47, 48, 49];
    expect([...stream.cells().positions]).toEqual([...[0, 1, 2], ...[4, 5, 6, 7], ...tail]);
  });

  test("a later pin makes it shorter", async () => {
    const stream = openPinned({ start: 48, end: 52 });
    await stream.append(new Uint32Array(48));
    expect([...stream.cells().positions.subarray(0, 5)]).toEqual([0, 1, 2, 3, 36]);
    await stream.append(new Uint32Array(40));
    const tail = [79, 80, 81, 82, 83, 84, 85, 86, 87];
    expect([...stream.cells().positions]).toEqual([...[0, 1, 2], ...[48, 49, 50, 51], ...tail]);
  });
});

describe("options", () => {
  test.each<[HeadTailOptions, RegExp]>([
    [{ head: NaN }, /head must be a share, 0 or more and below 1, not NaN/],
    [{ head: 1 }, /head .* not 1\./],
    [{ head: 1.5 }, /head .* not 1.5/],
    [{ head: -0.1 }, /head .* not -0.1/],
    [{ head: Infinity }, /head .* not Infinity/],
    [{ stride: 0 }, /stride must be a whole number of at least 1, not 0/],
    [{ stride: 2.5 }, /stride .* not 2.5/],
    [{ stride: NaN }, /stride .* not NaN/],
  ])("%o is refused", (options, message) => {
    expect(() => headTail(options)).toThrow(
      expect.objectContaining({
        code: "config",
        message: expect.stringMatching(message) as string,
      }) as Error,
    );
  });

  test.each([0, 0.5, 1 - Number.EPSILON / 2])("a head of %d is none of these", (head) => {
    expect(headTail({ head }).describe().options).toEqual({ head, stride: null });
  });

  test("the budget is the stream's", () => {
    expect(headTail().budget).toBeUndefined();
  });

  test.each<[HeadTailOptions, number, string | undefined]>([
    [{}, 1, undefined],
    [{ stride: "half" }, 1, undefined],
    [{ stride: 5 }, 8, "the stride of 5 is larger than the tail of 4 cells"],
    [{ stride: 4 }, 8, undefined],
    // The head rounds down, so the odd cell is the tail's.
    [{ stride: 5 }, 9, undefined],
    [{ stride: 6 }, 9, "the stride of 6 is larger than the tail of 5 cells"],
    [{ head: 0, stride: 8 }, 8, undefined],
    [{ head: 0, stride: 9 }, 8, "the stride of 9 is larger than the tail of 8 cells"],
    [{ head: 0.9, stride: 2 }, 10, "the stride of 2 is larger than the tail of 1 cells"],
  ])("%o with a budget of %i: %s", (options, budget, problem) => {
    expect(headTail(options).checkBudget?.(budget)).toBe(problem);
  });

  test("a stream with too large a stride does not open", () => {
    const open = (): unknown =>
      createStream({ backend: new FakeBackend(), policy: headTail({ stride: 5 }), budget: 8 });
    expect(open).toThrow(
      expect.objectContaining({
        code: "config",
        message: expect.stringContaining("the tail of 4 cells") as string,
      }) as Error,
    );
  });

  test("it needs a backend that re-indexes", () => {
    expect(headTail().requires).toEqual(["reindex"]);
  });
});

describe("describe", () => {
  test.each<[HeadTailOptions, Readonly<Record<string, unknown>>]>([
    [{}, { head: 0.5, stride: null }],
    [
      { head: 0.25, stride: 8 },
      { head: 0.25, stride: 8 },
    ],
    [
      { head: 0, stride: "half" },
      { head: 0, stride: "half" },
    ],
  ])("%o is plain data", (settings, options) => {
    expect(headTail(settings).describe()).toEqual({ name: "head-tail", shape: "opaque", options });
    expect(headTail(settings).describe(21).first).toBe(Math.floor(21 * Number(options["head"])));
  });
});
