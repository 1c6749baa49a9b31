import { policySuite } from "@kvpolicy/conformance";
import { createStream, PINNED_MARK, type CacheStream, type CacheView } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { pinned } from "@kvpolicy/pinned";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { surprise, type SurpriseOptions } from "./surprise.js";

/** A backend to which a token is as hard to predict as a list says, whatever came before it. */
class ScriptedBackend extends FakeBackend {
  readonly #nlls: readonly number[];

  constructor(nlls: readonly number[]) {
    super({ vocabularySize: nlls.length });
    this.#nlls = nlls;
  }

  override async nll(target: number): Promise<number> {
    await super.nll(target);
    return this.#nlls[target] ?? NaN;
  }

  override async decode(
    tokens: Uint32Array,
    options?: { readonly scoreFrom: number },
  ): Promise<Float64Array | undefined> {
    await super.decode(tokens, options);
    return (
      options && Float64Array.from(tokens.subarray(options.scoreFrom), (token) => this.#nlls[token] ?? NaN)
    );
  }
}

/** A full cache of cells with these likelihoods, at stream positions that start at 0 unless told otherwise. */
function fullView(
  nlls: readonly number[],
  required = 1,
  positions: readonly number[] = range(0, nlls.length),
): CacheView {
  return Object.freeze({
    length: nlls.length,
    budget: nlls.length,
    required,
    marks: Object.freeze([]),
    token: () => 0,
    streamPosition: (index: number) => positions[index] ?? NaN,
    nll: (index: number) => nlls[index] ?? NaN,
  });
}

/** The stream positions in the cache after each token, when each is as hard to predict as the list says. The first has no likelihood. */
async function rowsOf(options: SurpriseOptions, nlls: readonly number[]): Promise<string[]> {
  const stream = createStream({ backend: new ScriptedBackend(nlls), policy: surprise(options) });
  const rows = await positionsAfterEach(stream, range(0, nlls.length));
  return rows.map((row) => row.join(" "));
}

async function positionsAfterEach(stream: CacheStream, tokens: readonly number[]): Promise<number[][]> {
  const rows: number[][] = [];
  for (const token of tokens) {
    await stream.append([token]);
    rows.push([...stream.cells().positions]);
  }
  return rows;
}

function range(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index);
}

type Sizes = Record<"sinks" | "surprises" | "window" | "stride", number>;

/** Sizes of every kind: many sinks or none, a stride of one cell or of the whole window. */
const sizes: fc.Arbitrary<Sizes> = fc
  .record({
    sinks: fc.nat(4),
    surprises: fc.nat(6),
    window: fc.integer({ min: 1, max: 12 }),
    stride: fc.integer({ min: 1, max: 12 }),
  })
  .map(({ stride, ...others }) => ({ ...others, stride: Math.min(stride, others.window) }));

/** Unshrunk, because so many tokens would be shrunk for long. */
const text = fc.noShrink(fc.array(fc.nat(99), { minLength: 120, maxLength: 120 }));

/** The whole past is looked at anew at every eviction: what is worth most of all that has left the window, of equals the newest. */
function naiveRows(worths: readonly number[], { sinks, surprises, window, stride }: Sizes): number[][] {
  const worth = (position: number): number => worths[position] ?? NaN;
  let cells: number[] = [];
  return worths.map((_, position) => {
    if (cells.length === sinks + surprises + window) {
      const start = position - window + stride;
      const best = range(sinks, start)
        .filter((candidate) => !Number.isNaN(worth(candidate)))
        .sort((one, other) => (worth(one) === worth(other) ? other - one : worth(other) - worth(one)))
        .slice(0, surprises)
        .sort((one, other) => one - other);
      cells = [...range(0, sinks), ...best, ...range(start, position)];
    }
    cells = [...cells, position];
    return cells;
  });
}

function configError(message: RegExp): Error {
  return expect.objectContaining({
    code: "config",
    message: expect.stringMatching(message) as string,
  }) as Error;
}

policySuite(
  { describe, test },
  {
    name: "surprise()",
    create: () => surprise(),
    budgets: { minimum: 69, maximum: 140 },
    promises: { first: 4, endless: true },
  },
);
policySuite(
  { describe, test },
  {
    name: "surprise({ sinks: 2, surprises: 6, window: 12, stride: 5, halfLife: 30 })",
    create: () => surprise({ sinks: 2, surprises: 6, window: 12, stride: 5, halfLife: 30 }),
    promises: { first: 2, newest: true, endless: true },
  },
);
policySuite(
  { describe, test },
  {
    name: 'surprise({ sinks: 0, surprises: 0, stride: "half" })',
    create: () => surprise({ sinks: 0, surprises: 0, stride: "half" }),
    promises: { endless: true },
  },
);
policySuite(
  { describe, test },
  {
    name: "pinned(surprise({ sinks: 2, surprises: 6, window: 12 }))",
    create: () => pinned(surprise({ sinks: 2, surprises: 6, window: 12 })),
    promises: { pinned: true },
  },
);

describe("what stays", () => {
  test("the sinks, what was hardest to predict, and the newest tokens", async () => {
    //            0    1  2  3  4  5  6  7  8  9
    const nlls = [NaN, 5, 1, 9, 2, 7, 4, 8, 3, 6];
    expect((await rowsOf({ sinks: 1, surprises: 2, window: 3, stride: 1 }, nlls)).slice(5)).toEqual([
      "0 1 2 3 4 5",
      "0 1 3 4 5 6",
      "0 1 3 5 6 7",
      "0 3 5 6 7 8",
      "0 3 5 7 8 9",
    ]);
  });

  test("a stride frees several cells at once, then lets the window grow again", async () => {
    const nlls = [NaN, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    expect((await rowsOf({ sinks: 0, surprises: 2, window: 4, stride: 3 }, nlls)).slice(5)).toEqual([
      "0 1 2 3 4 5",
      "3 4 5 6",
      "3 4 5 6 7",
      "3 4 5 6 7 8",
      "6 7 8 9",
    ]);
  });

  test("of equals the newest, so that a place is never held by chance", async () => {
    const rows = await rowsOf({ sinks: 0, surprises: 2, window: 2, stride: 1 }, [NaN, 3, 3, 3, 3, 3]);
    expect(rows.slice(3)).toEqual(["0 1 2 3", "1 2 3 4", "2 3 4 5"]);
  });

  test("the first token of a stream has no likelihood, and stays only as a sink", async () => {
    const nlls = [0, 1, 1, 1, 1];
    expect((await rowsOf({ sinks: 0, surprises: 3, window: 1 }, nlls)).at(-1)).toBe("1 2 3 4");
    expect((await rowsOf({ sinks: 1, surprises: 2, window: 1 }, nlls)).at(-1)).toBe("0 2 3 4");
  });

  test("a token without a likelihood never stays, and its cell is freed", async () => {
    const nlls = [1, 1, NaN, 2, NaN, 3, 4];
    expect((await rowsOf({ sinks: 1, surprises: 3, window: 2, stride: 1 }, nlls)).slice(5)).toEqual([
      "0 1 2 3 4 5",
      "0 1 3 5 6",
    ]);
  });

  test.each([undefined, 1])(
    "what was impossible stays, half-life %s, until newer ones of its kind come",
    async (halfLife) => {
      const nlls = [1, Infinity, 9, 9, Infinity, 1, 1, Infinity, 1, 1];
      const rows = await rowsOf({ sinks: 0, surprises: 2, window: 2, stride: 1, halfLife }, nlls);
      expect(rows.slice(5)).toEqual(["1 3 4 5", "1 4 5 6", "1 4 6 7", "1 4 7 8", "4 7 8 9"]);
    },
  );

  test("what could be guessed for certain stays before what has no likelihood", () => {
    const policy = surprise({ sinks: 0, surprises: 2, stride: 1 });
    expect(policy.plan(fullView([0, NaN, NaN, 5, 5]))).toMatchObject({ evict: [{ start: 1, end: 3 }] });
  });

  test("without places for surprises it is a window behind sinks", async () => {
    const rows = await rowsOf({ sinks: 1, surprises: 0, window: 3, stride: 1 }, [NaN, 9, 9, 9, 1, 1]);
    expect(rows.slice(3)).toEqual(["0 1 2 3", "0 2 3 4", "0 3 4 5"]);
  });

  test("the defaults are four sinks, 64 surprises and a sixteenth of the rest", () => {
    expect(surprise().plan(fullView(range(0, 4 + 64 + 160).map(() => 1)))).toEqual({
      evict: [{ start: 4, end: 14 }],
      survivors: "reuse",
    });
  });

  test("is what was hardest to predict, when it was read, of all that has left the window", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, text, async (options, tokens) => {
        const stream = createStream({ backend: new FakeBackend(), policy: surprise(options) });
        const rows: number[][] = [];
        const nlls: number[] = [];
        for (const token of tokens) {
          nlls.push(...(await stream.score([token])));
          rows.push([...stream.cells().positions]);
        }
        expect(rows).toEqual(naiveRows(nlls, options));
      }),
    );
  });
});

describe("a half-life", () => {
  test("lets an old surprise make room for a new one", async () => {
    const nlls = [NaN, 8, 5, 3, 4, 1, 1];
    const options = { sinks: 0, surprises: 1, window: 2, stride: 1 };
    // Counted at stream position 3, 4, 5: token 1 as 4, 2.8, 2; against 2 as 3.5, 3 as 2.1 and 4 as 2.8.
    expect((await rowsOf({ ...options, halfLife: 2 }, nlls)).slice(3)).toEqual([
      "1 2 3",
      "1 3 4",
      "1 4 5",
      "4 5 6",
    ]);
    expect((await rowsOf(options, nlls)).slice(3)).toEqual(["1 2 3", "1 3 4", "1 4 5", "1 5 6"]);
  });

  test.each([
    [3.99, 0],
    [4, 2],
    [4.01, 2],
  ])("counts a token half that lies it back: 8 against %d", (nll, stays) => {
    const policy = surprise({ sinks: 0, surprises: 1, stride: 2, halfLife: 50 });
    const positions = [100, 101, 150, 199, 200];
    const plan = policy.plan(fullView([8, 0, nll, 1, 1], 1, positions));
    const evicted = plan?.evict.flatMap(({ start, end }) => range(start, end));
    expect(evicted).toEqual([0, 1, 2].filter((index) => index !== stays));
  });

  test("leaves what is infinitely surprising so, however long ago", () => {
    const policy = surprise({ sinks: 0, surprises: 1, stride: 2, halfLife: 1 });
    const view = fullView([Infinity, 0, 9, 1], 1, [0, 1, 100_000, 100_001]);
    expect(policy.plan(view)).toMatchObject({ evict: [{ start: 1, end: 3 }] });
  });

  test("tells what has faded apart, however long ago", () => {
    const policy = surprise({ sinks: 0, surprises: 1, stride: 2, halfLife: 1 });
    const view = fullView([9, 1, 1, 1, 1], 1, [0, 1, 2, 100_000, 100_001]);
    expect(policy.plan(view)).toMatchObject({ evict: [{ start: 1, end: 3 }] });
    const impossible = fullView([9, 0, 0, 1, 1], 1, [0, 1, 2, 100_000, 100_001]);
    expect(policy.plan(impossible)).toMatchObject({ evict: [{ start: 1, end: 3 }] });
  });

  test("takes a half-life that is no whole number", () => {
    const policy = surprise({ sinks: 0, surprises: 1, stride: 2, halfLife: 1.5 });
    // Three tokens later a likelihood counts a quarter.
    expect(policy.plan(fullView([4.1, 0, 1, 0, 0], 1, [0, 1, 3, 4, 5]))).toMatchObject({
      evict: [{ start: 1, end: 3 }],
    });
    expect(policy.plan(fullView([3.9, 0, 1, 0, 0], 1, [0, 1, 3, 4, 5]))).toMatchObject({
      evict: [{ start: 0, end: 2 }],
    });
  });

  test("keeps the largest likelihoods of all that has left the window, each halved by its age", async () => {
    // Odd numbers of eighths: no two tokens can be worth the same at different stream positions, whatever the rounding.
    const nlls = range(0, 100).map((token) => (2 * token + 1) / 8);
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 60 }), text, async (options, halfLife, tokens) => {
        const policy = surprise({ ...options, halfLife });
        const stream = createStream({ backend: new ScriptedBackend(nlls), policy });
        // What is halved at one rate keeps its order: it grows with the position instead, in powers of two.
        const worths = tokens.map((token, position) =>
          position === 0 ? NaN : Math.log2(nlls[token] ?? NaN) + position / halfLife,
        );
        expect(await positionsAfterEach(stream, tokens)).toEqual(naiveRows(worths, options));
      }),
    );
  });
});

describe("plan", () => {
  test("gives up surprises, the least first, where more is required than the stride, then the window", () => {
    const policy = surprise({ sinks: 1, surprises: 3, stride: 2 });
    const nlls = [NaN, 7, 1, 9, 2, 8, 3, 3, 3, 3];
    const freed = (required: number): unknown => policy.plan(fullView(nlls, required))?.evict;
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

describe("pinned(surprise())", () => {
  test("spares what is pinned, and the surprises keep their places", async () => {
    //            0    1  2  3  4  5  6  7  8  9  10 11
    const nlls = [NaN, 1, 9, 0, 0, 8, 2, 9, 3, 1, 1, 1];
    const policy = pinned(surprise({ sinks: 1, surprises: 2, window: 5, stride: 1 }));
    const stream = createStream({ backend: new ScriptedBackend(nlls), policy });
    stream.mark(PINNED_MARK, { start: 3, end: 5 });
    await stream.append(range(0, nlls.length));
    expect([...stream.cells().positions]).toEqual([0, 2, 3, 4, 7, 9, 10, 11]);
  });
});

describe("options", () => {
  test.each<[SurpriseOptions, RegExp]>([
    [{ sinks: -1 }, /sinks must be a whole number of at least 0, not -1/],
    [{ sinks: 1.5 }, /sinks .* not 1.5/],
    [{ surprises: -1 }, /surprises must be a whole number of at least 0, not -1/],
    [{ surprises: 0.5 }, /surprises .* not 0.5/],
    [{ window: 0 }, /window must be a whole number of at least 1, not 0/],
    [{ window: 2.5 }, /window .* not 2.5/],
    [{ stride: 0 }, /stride must be a whole number of at least 1, not 0/],
    [{ window: 8, stride: 9 }, /stride of 9 is larger than the window of 8/],
    [{ halfLife: 0 }, /halfLife must be a number of at least 1, not 0/],
    [{ halfLife: 0.5 }, /halfLife .* not 0.5/],
    [{ halfLife: NaN }, /halfLife .* not NaN/],
    [{ halfLife: Infinity }, /halfLife .* not Infinity/],
  ])("%o is refused", (options, message) => {
    expect(() => surprise(options)).toThrow(configError(message));
  });

  test("a window fixes the budget", () => {
    expect(surprise({ window: 12 }).budget).toBe(4 + 64 + 12);
    expect(surprise().budget).toBeUndefined();
  });

  test.each<[SurpriseOptions, number, string | undefined]>([
    [{}, 68, "4 sinks and 64 surprises leave no room for a window"],
    [{}, 69, undefined],
    [{ sinks: 2, surprises: 3, stride: 4 }, 8, "the stride of 4 is larger than the window of 3 cells"],
    [{ sinks: 2, surprises: 3, stride: 3 }, 8, undefined],
    [{ stride: "half" }, 69, undefined],
  ])("%o with a budget of %i: %s", (options, budget, problem) => {
    expect(surprise(options).checkBudget?.(budget)).toBe(problem);
  });

  test.each([
    ["reindex", new FakeBackend({ reindex: "the reason" })],
    ["nll", new FakeBackend({ nll: "the reason" })],
  ])("a backend without %s is refused when the stream opens", (feature, backend) => {
    const policy = surprise({ sinks: 0, surprises: 2 });
    expect(policy.requires).toContain(feature);
    expect(() => createStream({ backend, policy })).toThrow(
      expect.objectContaining({
        code: "unsupported",
        message: expect.stringMatching(`"surprise" requires "${feature}".*the reason`) as string,
        details: { feature, reason: "the reason", policy: "surprise" },
      }) as Error,
    );
    expect(backend.calls).toEqual([]);
  });
});

describe("describe", () => {
  test.each<[SurpriseOptions, Readonly<Record<string, unknown>>]>([
    [{}, { sinks: 4, surprises: 64, window: null, stride: null, halfLife: null }],
    [
      { sinks: 1, surprises: 6, window: 8, stride: "half", halfLife: 100 },
      { sinks: 1, surprises: 6, window: 8, stride: "half", halfLife: 100 },
    ],
  ])("%o is plain data", (settings, options) => {
    expect(surprise(settings).describe()).toEqual({
      name: "surprise",
      shape: "opaque",
      first: options["sinks"],
      options,
    });
  });
});
