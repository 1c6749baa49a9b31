import { policySuite } from "@kvpolicy/conformance";
import { createStream, PINNED_MARK, type CacheView } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { pinned } from "@kvpolicy/pinned";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { separator, type SeparatorOptions } from "./separator.js";

/** The one separator of most of these tests, and a word. */
const STOP = 9;
const WORD = 1;

function fullView(tokens: readonly number[], required = 1): CacheView {
  return Object.freeze({
    length: tokens.length,
    budget: tokens.length,
    required,
    marks: Object.freeze([]),
    token: (index: number) => tokens[index] ?? NaN,
    streamPosition: (index: number) => index,
  });
}

/** Tokens of a text whose separators are dots. */
function tokensOf(text: string): number[] {
  return Array.from(text, (letter) => (letter === "." ? STOP : WORD));
}

/** The stream positions in the cache after each token. */
async function positionsAfterEach(options: SeparatorOptions, tokens: readonly number[]): Promise<number[][]> {
  const policy = separator(options);
  const stream = createStream({ backend: new FakeBackend({ capacity: policy.budget ?? 64 }), policy });
  const rows: number[][] = [];
  for (const token of tokens) {
    await stream.append([token]);
    rows.push([...stream.cells().positions]);
  }
  return rows;
}

async function rowsOf(options: Omit<SeparatorOptions, "separatorTokens">, text: string): Promise<string[]> {
  const rows = await positionsAfterEach({ separatorTokens: [STOP], ...options }, tokensOf(text));
  return rows.map((row) => row.join(" "));
}

function range(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index);
}

/** The whole past is looked at anew at every eviction: the newest separators of all that has left the window. */
function naiveRows(
  tokens: readonly number[],
  { sinks, separators, window, stride }: Record<"sinks" | "separators" | "window" | "stride", number>,
): number[][] {
  let cells: number[] = [];
  return tokens.map((_, position) => {
    if (cells.length === sinks + separators + window) {
      const start = position - window + stride;
      const past = range(sinks, start).filter((index) => tokens[index] === STOP);
      const newest = past.slice(Math.max(0, past.length - separators));
      cells = [...range(0, sinks), ...newest, ...range(start, position)];
    }
    cells = [...cells, position];
    return cells;
  });
}

/** What each token sees in the authors' cache, itself included: that is cut back after the forward pass, when more than c cells are in use. */
function sepLLMRows(
  tokens: readonly number[],
  { a, s, w, c }: Record<"a" | "s" | "w" | "c", number>,
): number[][] {
  let initial: number[] = [];
  let past: number[] = [];
  let recent: number[] = [];
  return tokens.map((_, position) => {
    if (initial.length < a) initial = [...initial, position];
    else recent = [...recent, position];
    const seen = [...initial, ...past, ...recent];
    if (seen.length > c) {
      const leaving = recent.slice(0, recent.length - w);
      recent = recent.slice(recent.length - w);
      past = [...past, ...leaving.filter((index) => tokens[index] === STOP)];
      while (past.length > s) past.shift();
    }
    return seen;
  });
}

/** A text of some length in which one token in `every` is a separator, on average. */
function textOf(length: number, every: number): fc.Arbitrary<number[]> {
  const token = fc.nat(every - 1).map((drawn) => (drawn === 0 ? STOP : WORD));
  // Unshrunk, because a text of a thousand tokens would be shrunk for minutes.
  return fc.noShrink(fc.array(token, { minLength: length, maxLength: length }));
}

function configError(message: RegExp): Error {
  return expect.objectContaining({
    code: "config",
    message: expect.stringMatching(message) as string,
  }) as Error;
}

const someTokens = range(0, 100).filter((token) => token % 7 === 0);

policySuite(
  { describe, test },
  {
    name: "separator({ separatorTokens })",
    create: () => separator({ separatorTokens: someTokens }),
    promises: { first: 4, endless: true },
  },
);
policySuite(
  { describe, test },
  {
    name: "separator({ separatorTokens, sinks: 2, separators: 6, window: 12, stride: 5 })",
    create: () => separator({ separatorTokens: someTokens, sinks: 2, separators: 6, window: 12, stride: 5 }),
    promises: { first: 2, newest: true, endless: true },
  },
);
policySuite(
  { describe, test },
  {
    name: 'separator({ separatorTokens, sinks: 0, separators: 0, stride: "half" })',
    create: () => separator({ separatorTokens: someTokens, sinks: 0, separators: 0, stride: "half" }),
    promises: { endless: true },
  },
);
policySuite(
  { describe, test },
  {
    name: "pinned(separator({ separatorTokens, sinks: 2, separators: 6, window: 12 }))",
    create: () => pinned(separator({ separatorTokens: someTokens, sinks: 2, separators: 6, window: 12 })),
    promises: { pinned: true },
  },
);

describe("what stays", () => {
  test("the sinks, the newest separators and the newest tokens", async () => {
    // Stream positions:       0123456789
    const rows = await rowsOf({ sinks: 1, separators: 2, window: 3, stride: 1 }, "a..b.cd.ef");
    expect(rows.slice(5)).toEqual([
      "0 1 2 3 4 5",
      "0 1 2 4 5 6",
      "0 2 4 5 6 7",
      "0 2 4 6 7 8",
      "0 2 4 7 8 9",
    ]);
  });

  test("a separator that leaves the window pushes the oldest one out", async () => {
    const rows = await rowsOf({ sinks: 0, separators: 2, window: 2, stride: 1 }, "....ab");
    expect(rows.slice(3)).toEqual(["0 1 2 3", "1 2 3 4", "2 3 4 5"]);
  });

  test("where there are few separators, more cells are freed, and the window is no larger for it", async () => {
    const rows = await rowsOf({ sinks: 1, separators: 3, window: 3, stride: 2 }, "abc.efghijklm");
    expect(rows.slice(6)).toEqual([
      "0 1 2 3 4 5 6",
      "0 3 6 7",
      "0 3 6 7 8",
      "0 3 6 7 8 9",
      "0 3 6 7 8 9 10",
      "0 3 10 11",
      "0 3 10 11 12",
    ]);
  });

  test("a separator among the sinks takes no place of the others", async () => {
    const rows = await rowsOf({ sinks: 2, separators: 1, window: 2, stride: 1 }, "a...bcd");
    expect(rows.at(-1)).toBe("0 1 3 5 6");
  });

  test("without places for separators it is a window behind sinks", async () => {
    const rows = await rowsOf({ sinks: 1, separators: 0, window: 3, stride: 1 }, "a.....");
    expect(rows.slice(3)).toEqual(["0 1 2 3", "0 2 3 4", "0 3 4 5"]);
  });

  test("a stride of the whole window leaves separators alone behind the sinks", async () => {
    const rows = await rowsOf({ sinks: 1, separators: 1, window: 3, stride: 3 }, "a.b.cde");
    expect(rows.slice(4)).toEqual(["0 1 2 3 4", "0 3 5", "0 3 5 6"]);
  });

  test("any of several separators counts", async () => {
    const options = { separatorTokens: new Set([7, 8]), sinks: 0, separators: 2, window: 2, stride: 1 };
    const rows = await positionsAfterEach(options, [7, 1, 8, 2, 3, 4, 5, 9]);
    expect(rows.slice(4)).toEqual([
      [0, 2, 3, 4],
      [0, 2, 4, 5],
      [0, 2, 5, 6],
      [0, 2, 6, 7],
    ]);
  });

  test("the defaults are four sinks, 32 separators and two ninths of the rest", () => {
    const tokens = range(0, 4 + 32 + 90).map(() => STOP);
    expect(separator({ separatorTokens: [STOP] }).plan(fullView(tokens))).toEqual({
      evict: [{ start: 4, end: 24 }],
      survivors: "reuse",
    });
  });

  test("is the newest separators of all that has left the window, however long the stream", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(4),
        fc.nat(6),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom(1, 2, 5, 30).chain((every) => textOf(120, every)),
        async (sinks, separators, window, someStride, tokens) => {
          const options = { sinks, separators, window, stride: Math.min(someStride, window) };
          const rows = await positionsAfterEach({ separatorTokens: [STOP], ...options }, tokens);
          expect(rows).toEqual(naiveRows(tokens, options));
        },
      ),
    );
  });
});

describe("the authors' cache", () => {
  test.each([1, 4, 12, 200])(
    "of 4 / 32 / 224 / 324 shows every token the same; one separator in %i tokens",
    async (every) => {
      await fc.assert(
        fc.asyncProperty(textOf(1000, every), async (tokens) => {
          const options = { separatorTokens: [STOP], sinks: 4, separators: 32, window: 289, stride: 65 };
          const rows = await positionsAfterEach(options, tokens);
          expect(rows).toEqual(sepLLMRows(tokens, { a: 4, s: 32, w: 224, c: 324 }));
        }),
        { numRuns: 1 },
      );
    },
  );

  test("of a / s / w / c shows every token the same with a window of c + 1 − a − s, of which a stride leaves w", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(4),
        fc.nat(6),
        fc.integer({ min: 1, max: 8 }),
        fc.nat(8),
        fc.constantFrom(1, 2, 5, 30).chain((every) => textOf(120, every)),
        async (a, s, w, more, tokens) => {
          const c = a + s + w + more;
          const window = c + 1 - a - s;
          const options = { separatorTokens: [STOP], sinks: a, separators: s, window, stride: window - w };
          expect(await positionsAfterEach(options, tokens)).toEqual(sepLLMRows(tokens, { a, s, w, c }));
        },
      ),
    );
  });
});

describe("plan", () => {
  test("gives up separators, the oldest first, where more is required than the stride, then the window", () => {
    const policy = separator({ separatorTokens: [STOP], sinks: 1, separators: 3, stride: 2 });
    const tokens = tokensOf("a.b.c.defg");
    const freed = (required: number): unknown => policy.plan(fullView(tokens, required))?.evict;
    expect(freed(2)).toEqual([
      { start: 2, end: 3 },
      { start: 4, end: 5 },
    ]);
    expect(freed(3)).toEqual([
      { start: 1, end: 3 },
      { start: 4, end: 5 },
    ]);
    expect(freed(5)).toEqual([{ start: 1, end: 6 }]);
    expect(freed(7)).toEqual([{ start: 1, end: 8 }]);
    expect(freed(9)).toEqual([{ start: 1, end: 10 }]);
    expect(freed(10)).toBeUndefined();
  });
});

describe("pinned(separator())", () => {
  test("spares what is pinned, and the separators keep their places", async () => {
    const policy = pinned(
      separator({ separatorTokens: [STOP], sinks: 1, separators: 2, window: 5, stride: 1 }),
    );
    const stream = createStream({ backend: new FakeBackend(), policy });
    stream.mark(PINNED_MARK, { start: 3, end: 5 });
    // Stream positions:           0123456789012345
    await stream.append(tokensOf("ab.cd.e.fghi.jkl"));
    expect([...stream.cells().positions]).toEqual([0, 3, 4, 7, 12, 13, 14, 15]);
  });

  test("takes a pinned head as the sinks", async () => {
    const policy = pinned(
      separator({ separatorTokens: [STOP], sinks: 1, separators: 1, window: 5, stride: 1 }),
    );
    const stream = createStream({ backend: new FakeBackend(), policy });
    stream.mark(PINNED_MARK, { start: 0, end: 2 });
    await stream.append(tokensOf("abcd.efghi"));
    expect([...stream.cells().positions]).toEqual([0, 1, 4, 6, 7, 8, 9]);
  });
});

describe("options", () => {
  test.each<[Partial<SeparatorOptions>, RegExp]>([
    [{ separatorTokens: [] }, /separatorTokens is empty/],
    [{ separatorTokens: new Set() }, /separatorTokens is empty/],
    [{ separatorTokens: [13, -1] }, /separator: each of separatorTokens .* at least 0, not -1/],
    [{ separatorTokens: [1.5] }, /each of separatorTokens .* not 1.5/],
    [{ separatorTokens: [NaN] }, /each of separatorTokens .* not NaN/],
    [{ separatorTokens: "13" as unknown as number[] }, /list of token ids, not of type string/],
    [{ separatorTokens: undefined as never }, /list of token ids, not of type undefined/],
    [{ separatorTokens: 13 as never }, /not of type number/],
    [{ sinks: -1 }, /sinks must be a whole number of at least 0, not -1/],
    [{ sinks: 1.5 }, /sinks .* not 1.5/],
    [{ separators: -1 }, /separators must be a whole number of at least 0, not -1/],
    [{ separators: 0.5 }, /separators .* not 0.5/],
    [{ window: 0 }, /window must be a whole number of at least 1, not 0/],
    [{ window: 2.5 }, /window .* not 2.5/],
    [{ stride: 0 }, /stride must be a whole number of at least 1, not 0/],
    [{ window: 8, stride: 9 }, /stride of 9 is larger than the window of 8/],
  ])("%o is refused", (options, message) => {
    expect(() => separator({ separatorTokens: [STOP], ...options })).toThrow(configError(message));
  });

  test("an iterator of tokens is read once, and what becomes of a list later changes nothing", () => {
    const list = [STOP];
    const policy = separator({ separatorTokens: list, sinks: 0, separators: 1, stride: 2 });
    const iterated = separator({ separatorTokens: list.values(), sinks: 0, separators: 1, stride: 2 });
    list[0] = WORD;
    const view = fullView(tokensOf("a.bcd"));
    const evict = [
      { start: 0, end: 1 },
      { start: 2, end: 3 },
    ];
    for (const made of [policy, iterated, iterated]) expect(made.plan(view)).toMatchObject({ evict });
  });

  test("a window fixes the budget", () => {
    expect(separator({ separatorTokens: [STOP], window: 12 }).budget).toBe(4 + 32 + 12);
    expect(separator({ separatorTokens: [STOP] }).budget).toBeUndefined();
  });

  test.each<[Partial<SeparatorOptions>, number, string | undefined]>([
    [{}, 36, "4 sinks and 32 separators leave no room for a window"],
    [{}, 37, undefined],
    [{ sinks: 2, separators: 3, stride: 4 }, 8, "the stride of 4 is larger than the window of 3 cells"],
    [{ sinks: 2, separators: 3, stride: 3 }, 8, undefined],
    [{ stride: "half" }, 37, undefined],
  ])("%o with a budget of %i: %s", (options, budget, problem) => {
    expect(separator({ separatorTokens: [STOP], ...options }).checkBudget?.(budget)).toBe(problem);
  });

  test("it needs a backend that re-indexes", () => {
    const policy = separator({ separatorTokens: [STOP] });
    expect(policy.requires).toEqual(["reindex"]);
    const backend = new FakeBackend({ reindex: "its cells cannot move" });
    expect(() => createStream({ backend, policy })).toThrow(/"separator" requires "reindex".*cannot move/);
  });
});

describe("describe", () => {
  test.each<[Partial<SeparatorOptions>, Readonly<Record<string, unknown>>]>([
    [{}, { sinks: 4, separators: 32, window: null, stride: null, separatorTokenCount: 1 }],
    [
      { separatorTokens: [3, 5, 3], sinks: 1, separators: 6, window: 8, stride: "half" },
      { sinks: 1, separators: 6, window: 8, stride: "half", separatorTokenCount: 2 },
    ],
  ])("%o is plain data, and the separators are counted", (settings, options) => {
    const description = separator({ separatorTokens: [STOP], ...settings }).describe();
    expect(description).toEqual({ name: "separator", shape: "opaque", first: options["sinks"], options });
  });
});
