import { policySuite } from "@kvpolicy/conformance";
import { BOS_MARK, createStream, type CacheView, type Mark } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { recompute, type RecomputeOptions } from "./recompute.js";

const bosMark: Mark = { name: BOS_MARK, start: 0, end: 1 };

function fullView(length: number, required = 1, marks: readonly Mark[] = []): CacheView {
  return Object.freeze({
    length,
    budget: length,
    required,
    marks: Object.freeze(marks),
    token: (index: number) => index,
    streamPosition: (index: number) => index,
  });
}

/** The stream positions in the cache after each of `count` tokens, a beginning-of-sequence token included if there is one. */
async function rowsOf(options: RecomputeOptions, count: number, bos?: number): Promise<string[]> {
  const stream = createStream({ backend: new FakeBackend(), policy: recompute(options), bos });
  const rows: string[] = [];
  while (stream.position < count) {
    await stream.append([stream.position]);
    rows.push([...stream.cells().positions].join(" "));
  }
  return rows;
}

policySuite({ describe, test }, { name: "recompute()", create: () => recompute() });
policySuite(
  { describe, test },
  {
    name: "recompute({ window: 12, stride: 3, head: 4 })",
    create: () => recompute({ window: 12, stride: 3, head: 4 }),
    promises: { newest: true },
  },
);

describe("what stays", () => {
  test("without a beginning-of-sequence token, the newest", async () => {
    expect((await rowsOf({ window: 4, stride: 1 }, 6)).slice(3)).toEqual(["0 1 2 3", "1 2 3 4", "2 3 4 5"]);
  });

  test("with one, that one and the newest", async () => {
    expect((await rowsOf({ window: 4, stride: 1 }, 6, 50)).slice(2)).toEqual([
      "0 1 2 3",
      "0 2 3 4",
      "0 3 4 5",
    ]);
  });

  test("`none` lets the beginning-of-sequence token go", async () => {
    expect((await rowsOf({ window: 4, stride: 1, head: "none" }, 5, 50)).at(-1)).toBe("1 2 3 4");
  });

  test("a number keeps that many first tokens", async () => {
    expect((await rowsOf({ window: 6, stride: 2, head: 2 }, 9)).slice(5)).toEqual([
      "0 1 2 3 4 5",
      "0 1 4 5 6",
      "0 1 4 5 6 7",
      "0 1 6 7 8",
    ]);
  });

  test("a stride of all behind the head starts again from the head", async () => {
    expect((await rowsOf({ window: 4, stride: 3, head: 1 }, 6)).slice(3)).toEqual([
      "0 1 2 3",
      "0 4",
      "0 4 5",
    ]);
  });

  test("the survivors predict as if the text began with them", async () => {
    const options = { backend: new FakeBackend(), policy: recompute({ window: 6, stride: 3 }) };
    const stream = createStream(options);
    await stream.append([1, 2, 3, 4, 5, 6, 7]);
    const fresh = createStream({ backend: new FakeBackend(), policy: recompute({ window: 6 }) });
    await fresh.append([4, 5, 6, 7]);
    expect(await stream.score([8, 9])).toEqual(await fresh.score([8, 9]));
    expect(stream.stats.recomputedTokens).toBe(3);
  });

  test("is the head and the last tokens, however long the stream", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(5),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(150),
        async (head, recent, someStride, count) => {
          const stride = Math.min(someStride, recent);
          const policy = recompute({ window: head + recent, stride, head });
          const stream = createStream({ backend: new FakeBackend(), policy });
          await stream.append(new Uint32Array(count));
          const evictions = Math.max(0, Math.ceil((count - head - recent) / stride));
          const positions = Array.from({ length: count }, (_, position) => position);
          expect([...stream.cells().positions]).toEqual([
            ...positions.slice(0, head),
            ...positions.slice(head + evictions * stride),
          ]);
        },
      ),
    );
  });
});

describe("plan", () => {
  test("frees at least what is required, or answers null; spares the head", () => {
    fc.assert(
      fc.property(
        fc.constantFrom<(readonly [RecomputeOptions["head"], readonly Mark[], number])[]>(
          ["none", [bosMark], 0],
          ["bos", [], 0],
          ["bos", [{ name: "turn", start: 0, end: 3 }, bosMark], 1],
          [3, [], 3],
        ),
        fc.integer({ min: 1, max: 40 }),
        fc.oneof(fc.constant(undefined), fc.constant("half" as const), fc.integer({ min: 1, max: 40 })),
        fc.integer({ min: 1, max: 48 }),
        ([head, marks, front], recent, someStride, required) => {
          const stride = typeof someStride === "number" ? Math.min(someStride, recent) : someStride;
          const view = fullView(front + recent, required, marks);
          const plan = recompute({ stride, head }).plan(view);
          if (required > recent) {
            expect(plan).toBeNull();
            return;
          }
          const [range] = plan!.evict;
          expect(plan).toEqual({ evict: [{ start: front, end: range!.end }], survivors: "recompute" });
          expect(range!.end - front).toBeGreaterThanOrEqual(required);
          expect(range!.end).toBeLessThanOrEqual(view.length);
        },
      ),
    );
  });

  test("takes half and the default stride from what is behind the head", () => {
    expect(recompute({ head: 2, stride: "half" }).plan(fullView(8))?.evict).toEqual([{ start: 2, end: 5 }]);
    expect(recompute({ head: 64 }).plan(fullView(192))?.evict).toEqual([{ start: 64, end: 72 }]);
  });

  test("keeps the newest token unless the stride is all behind the head", () => {
    expect(recompute({ stride: 6, head: 1 }).plan(fullView(8))).toMatchObject({ evict: [{ end: 7 }] });
    expect(recompute({ stride: 7, head: 1 }).plan(fullView(8))).toMatchObject({ evict: [{ end: 8 }] });
  });

  test("a cache of nothing but the beginning-of-sequence token lets nothing leave", () => {
    expect(recompute().plan(fullView(1, 1, [bosMark]))).toBeNull();
  });
});

describe("options", () => {
  test.each<[RecomputeOptions, RegExp]>([
    [{ window: 0 }, /window must be a whole number of at least 1, not 0/],
    [{ window: 2.5 }, /window .* not 2.5/],
    [{ stride: 0 }, /stride must be a whole number of at least 1, not 0/],
    [{ window: 8, stride: 9 }, /stride of 9 is larger than the window of 8/],
    [{ window: 8, stride: 7, head: 2 }, /stride of 7 is larger than the 6 cells behind the head/],
    [{ head: -1 }, /head must be a whole number of at least 0, not -1/],
    [{ head: 0.5 }, /head .* not 0.5/],
    [{ window: 4, head: 4 }, /a head of 4 leaves no room in a window of 4 cells/],
  ])("%o is refused", (options, message) => {
    expect(() => recompute(options)).toThrow(
      expect.objectContaining({
        code: "config",
        message: expect.stringMatching(message) as string,
      }) as Error,
    );
  });

  test("a window fixes the budget, the head included", () => {
    expect(recompute({ window: 12, head: 4 }).budget).toBe(12);
    expect(recompute().budget).toBeUndefined();
  });

  test.each<[RecomputeOptions, number, string | undefined]>([
    [{}, 1, undefined],
    [{ head: 8 }, 8, "a head of 8 leaves no room in a window of 8 cells"],
    [{ head: 2, stride: 7 }, 8, "the stride of 7 is larger than the 6 cells behind the head"],
    [{ head: 2, stride: 6 }, 8, undefined],
    [{ stride: 8 }, 8, undefined],
  ])("%o with a budget of %i: %s", (options, budget, problem) => {
    expect(recompute(options).checkBudget?.(budget)).toBe(problem);
  });

  test("it requires nothing, so it runs on every backend", async () => {
    const backend = new FakeBackend({ reindex: "no", nll: "no", truncate: "no" });
    const stream = createStream({ backend, policy: recompute(), budget: 4 });
    await stream.append(new Uint32Array(20));
    expect(stream.length).toBe(4);
  });
});

describe("describe", () => {
  test.each<[RecomputeOptions, object, object]>([
    [
      {},
      { first: "bos", recent: "rest", stride: "default", survivors: "recompute" },
      { window: null, stride: null, head: "bos" },
    ],
    [
      { window: 8, stride: 1 },
      { first: "bos", recent: "rest", stride: 1, survivors: "recompute" },
      { window: 8, stride: 1, head: "bos" },
    ],
    [
      { window: 8, stride: "half", head: 2 },
      { first: 2, recent: 6, stride: "half", survivors: "recompute" },
      { window: 8, stride: "half", head: 2 },
    ],
    [
      { window: 8, head: "none" },
      { first: 0, recent: 8, stride: "default", survivors: "recompute" },
      { window: 8, stride: null, head: "none" },
    ],
  ])("%o is plain data", (settings, shape, options) => {
    expect(recompute(settings).describe()).toMatchObject({ name: "recompute", shape, options });
  });

  test.each<[RecomputeOptions, number | undefined, number | undefined]>([
    [{}, undefined, undefined],
    [{ stride: 16 }, undefined, undefined],
    [{ stride: 16 }, 256, 16],
    [{}, 256, 16],
    [{ stride: "half", head: "none" }, 256, 2],
    [{ window: 256, stride: 1 }, undefined, 256],
    [{ window: 8, stride: "half", head: 2 }, undefined, 8 / 3],
  ])("%o with a budget of %s evaluates %s tokens for each", (settings, budget, evaluations) => {
    expect(recompute(settings).describe(budget).evaluationsPerToken).toBe(evaluations);
  });

  test("says what a stream then does", async () => {
    const policy = recompute({ stride: 4, head: "none" });
    const stream = createStream({ backend: new FakeBackend(), policy, budget: 24 });
    await stream.append(new Uint32Array(24));
    const before = stream.stats;
    await stream.append(new Uint32Array(400));
    const { tokens, recomputedTokens } = stream.stats;
    const evaluated = tokens - before.tokens + recomputedTokens - before.recomputedTokens;
    expect(evaluated / 400).toBe(policy.describe(24).evaluationsPerToken);
  });
});
