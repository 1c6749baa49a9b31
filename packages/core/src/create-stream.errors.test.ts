import { describe, expect, test, vi } from "vitest";
import { createStream } from "./create-stream.js";
import { KVPolicyError } from "./errors.js";
import { PINNED_MARK } from "./mark.js";
import { definePolicy, type EvictionPlan, type KVCachePolicy } from "./policy.js";
import type { CacheStream, Snapshot, StreamOptions } from "./stream.js";
import {
  FakeBackend,
  type FakeBackendOptions,
  type FakeCall,
  type FakeSampling,
} from "./testing/fake-backend.js";

type Stream = CacheStream<FakeSampling>;

const dense = definePolicy({ name: "dense", plan: () => null });

const evictSecond: KVCachePolicy = definePolicy({
  name: "evict-second",
  requires: ["reindex"],
  plan: () => ({ evict: [{ start: 1, end: 2 }], survivors: "reuse" }),
});

const recomputeSecond: KVCachePolicy = definePolicy({
  name: "recompute-second",
  plan: () => ({ evict: [{ start: 1, end: 2 }], survivors: "recompute" }),
});

type Options = Partial<Omit<StreamOptions<FakeSampling>, "backend">> & { readonly fake?: FakeBackendOptions };

function open({ fake, policy = dense, ...options }: Options = {}): { stream: Stream; backend: FakeBackend } {
  const backend = new FakeBackend(fake);
  return { stream: createStream<FakeSampling>({ backend, policy, ...options }), backend };
}

function upTo(end: number): number[] {
  return Array.from({ length: end }, (_, index) => index);
}

async function errorOf(call: () => unknown): Promise<KVPolicyError> {
  try {
    await call();
  } catch (error) {
    if (KVPolicyError.isInstance(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("config", () => {
  test.each<[string, Options, RegExp]>([
    [
      "an option that differs from the policy's own budget",
      { policy: definePolicy({ name: "fixed", budget: 8, plan: () => null }), budget: 9 },
      /budget of 9 cells contradicts policy "fixed", whose options add up to 8/,
    ],
    [
      "an option below the policy's own budget",
      { policy: definePolicy({ name: "fixed", budget: 8, plan: () => null }), budget: 7 },
      /budget of 7 cells contradicts policy "fixed", whose options add up to 8/,
    ],
    ["a budget beyond the capacity", { budget: 65 }, /65 cells is more than the 64/],
    [
      "a policy's budget beyond the capacity",
      { policy: definePolicy({ name: "fixed", budget: 65, plan: () => null }) },
      /65 cells is more than the 64/,
    ],
    ["a budget of nothing", { budget: 0 }, /budget must be a whole number of at least 1, not 0/],
    ["a fractional budget", { budget: 1.5 }, /not 1.5/],
    [
      "a budget that the policy refuses",
      {
        policy: definePolicy({ name: "wide", checkBudget: () => "it is too narrow", plan: () => null }),
        budget: 3,
      },
      /Policy "wide" cannot work with a budget of 3 cells: it is too narrow/,
    ],
  ])("%s", async (_, options, message) => {
    const error = await errorOf(() => open(options));
    expect(error).toMatchObject({ code: "config", actor: "caller", details: { option: "budget" } });
    expect(error.message).toMatch(message);
  });

  test.each<[string, unknown]>([
    ["no policy", undefined],
    ["a policy that was not made yet", () => dense],
  ])("%s", async (_, policy) => {
    const backend = new FakeBackend();
    const error = await errorOf(() => createStream({ backend, policy: policy as KVCachePolicy }));
    expect(error).toMatchObject({ code: "config", details: { option: "policy", value: policy } });
    expect(backend.calls).toEqual([]);
  });

  test("a snapshot of another version, budget or kind", async () => {
    const { stream, backend } = open({ budget: 4 });
    await stream.append([1]);
    const snapshot = await stream.snapshot();
    const before = backend.calls.length;
    const bad: [Snapshot, RegExp][] = [
      [{ ...snapshot, version: 2 as 1 }, /version is 2, not 1/],
      [{ ...snapshot, budget: 5 }, /budget is 5 cells, this stream's is 4/],
      [{ ...snapshot, tokens: new Uint32Array(3) }, /cells do not agree/],
      [{ ...snapshot, tokens: snapshot.tokens.map(() => 1e6) }, /tokens beyond the 100 known/],
      [{ ...snapshot, positions: snapshot.positions.map(() => 9) }, /positions do not ascend/],
    ];
    for (const [wrong, message] of bad) {
      const error = await errorOf(() => stream.restore(wrong));
      expect(error.code).toBe("config");
      expect(error.message).toMatch(message);
    }
    expect(backend.calls).toHaveLength(before);

    const reader = open({
      policy: definePolicy({ name: "reader", requires: ["nll"], plan: () => null }),
      budget: 4,
    });
    expect((await errorOf(() => reader.stream.restore(snapshot))).message).toMatch(
      /no negative log-likelihoods/,
    );
  });

  test("a generation of a fractional number of tokens", async () => {
    const { stream } = open();
    await stream.append([1]);
    expect((await errorOf(() => stream.generate({ maxTokens: 1.5 }).next())).code).toBe("config");
  });
});

describe("unsupported", () => {
  test("names the policy, what it requires and why the backend lacks it", async () => {
    const error = await errorOf(() =>
      open({ policy: evictSecond, fake: { reindex: "this model has recurrent layers" } }),
    );
    expect(error).toMatchObject({
      code: "unsupported",
      details: {
        feature: "reindex",
        reason: "this model has recurrent layers",
        policy: "evict-second",
      },
    });
    expect(error.message).toBe(
      'Policy "evict-second" requires "reindex", which the backend lacks: this model has recurrent layers.',
    );
  });

  test.each<[string, FakeBackendOptions, (stream: Stream) => Promise<unknown>]>([
    ["score", { nll: "no logits" }, (stream) => stream.score([1])],
    ["truncate", { truncate: "recurrent" }, (stream) => stream.truncate(0)],
    ["snapshot", { savesState: false }, (stream) => stream.snapshot()],
    ["appendText", {}, (stream) => stream.appendText("text")],
  ])("%s on a stream that cannot", async (feature, fake, call) => {
    const { stream, backend } = open({ fake });
    const error = await errorOf(() => call(stream));
    expect(error).toMatchObject({ code: "unsupported", details: { feature } });
    expect(backend.calls).toEqual([]);
  });

  test("restore, when the backend cannot load, or cannot drop the cell to be held", async () => {
    const { stream } = open();
    await stream.append([1]);
    const snapshot = await stream.snapshot();
    for (const fake of [{ savesState: false }, { truncate: "recurrent" }]) {
      const error = await errorOf(() => open({ fake }).stream.restore(snapshot));
      expect(error).toMatchObject({ code: "unsupported", details: { feature: "restore" } });
    }
  });
});

describe("cache-full", () => {
  test("says how much was appended; the stream stays usable", async () => {
    const { stream, backend } = open({ budget: 4 });
    await stream.append([1]);
    const error = await errorOf(() => stream.append(upTo(7)));
    expect(error).toMatchObject({
      code: "cache-full",
      actor: "caller",
      details: { policy: "dense", budget: 4, appended: 3, remaining: 4 },
    });
    expect([stream.position, stream.length]).toEqual([4, 4]);
    expect(await stream.truncate(2)).toEqual({ exact: true });
    await stream.append([9]);
    expect(backend.tokens).toEqual([1, 0, 9]);
  });
});

describe("invalid-plan", () => {
  const badPlans: [string, unknown, RegExp][] = [
    ["overlapping ranges", reuse([0, 3], [2, 4]), /\[2, 4\) overlaps/],
    ["unsorted ranges", reuse([3, 4], [0, 1]), /\[0, 1\) .*not sorted/],
    ["a range beyond the cells", reuse([5, 7]), /\[5, 7\) lies outside the 6 cells/],
    ["a negative start", reuse([-1, 1]), /\[-1, 1\) lies outside/],
    ["an empty range", reuse([2, 2]), /\[2, 2\) is empty/],
    ["a reversed range", reuse([4, 2]), /\[4, 2\) is empty/],
    ["a fractional bound", reuse([0, 1.5]), /\[0, 1.5\) must be whole numbers/],
    ["a bound that is no number", reuse([0, NaN]), /must be whole numbers/],
    ["no range", reuse(), /frees 0 cells where 1 must be freed/],
    ["a pinned cell", reuse([0, 1], [2, 5]), /\[2, 5\) touches the pinned cells \[4, 5\)/],
    ["undefined", undefined, /an object or null/],
    ["a number", 3, /an object or null/],
    ["a promise", Promise.resolve(reuse([0, 1])), /survivors must be .* not undefined/],
    ["unknown survivors", { evict: [{ start: 0, end: 1 }], survivors: "keep" }, /not keep/],
    ["evict that is no list", { evict: { start: 0, end: 1 }, survivors: "reuse" }, /array of ranges/],
    ["a range that is no range", { evict: [null], survivors: "reuse" }, /array of ranges/],
    [
      "a note that is no text",
      { evict: [{ start: 0, end: 1 }], survivors: "reuse", note: 3 },
      /note must be text, not number/,
    ],
  ];

  function reuse(...ranges: [number, number][]): unknown {
    return { evict: ranges.map(([start, end]) => ({ start, end })), survivors: "reuse" };
  }

  test.each(badPlans)("%s", async (_, plan, message) => {
    const policy = definePolicy({ name: "clumsy", plan: () => plan as EvictionPlan });
    const { stream, backend } = open({ policy, budget: 6 });
    stream.mark(PINNED_MARK, { start: 4, end: 5 });
    const error = await errorOf(() => stream.append(upTo(10)));
    expect(error).toMatchObject({
      code: "invalid-plan",
      actor: "policy",
      details: { policy: "clumsy", plan, length: 6, required: 1, appended: 6 },
    });
    expect(error.message).toMatch(/^Policy "clumsy" answered with an invalid plan/);
    expect(error.message).toMatch(message);
    expect(backend.calls.map(({ method }) => method)).toEqual(["decode"]);
    expect([stream.position, stream.length]).toEqual([6, 6]);
    expect(stream.stats.evictions).toBe(0);
  });

  test("a policy that throws is named, with what it threw", async () => {
    const cause = new Error("my own bug");
    const policy = definePolicy({
      name: "clumsy",
      plan: () => {
        throw cause;
      },
    });
    const { stream, backend } = open({ policy, budget: 2 });
    const error = await errorOf(() => stream.append(upTo(4)));
    expect(error).toMatchObject({ code: "invalid-plan", details: { policy: "clumsy", appended: 2 }, cause });
    expect(backend.calls.map(({ method }) => method)).toEqual(["decode"]);
  });

  test("reusing survivors that the backend cannot re-index is refused before it is tried", async () => {
    const policy = definePolicy({ ...evictSecond, requires: [] });
    const { stream, backend } = open({ policy, budget: 3, fake: { reindex: "recurrent layers" } });
    const error = await errorOf(() => stream.append(upTo(4)));
    expect(error.message).toMatch(/takes "reindex", and the backend lacks that: recurrent layers/);
    expect(backend.calls.map(({ method }) => method)).toEqual(["decode"]);
  });

  test("a stream whose policy comes to its senses goes on", async () => {
    let plan: unknown = undefined;
    const policy = definePolicy({ name: "moody", plan: () => plan as EvictionPlan });
    const { stream, backend } = open({ policy, budget: 3 });
    await errorOf(() => stream.append(upTo(5)));
    plan = reuse([0, 1]);
    await stream.append([3, 4]);
    expect(backend.tokens).toEqual([2, 3, 4]);
  });
});

describe("range", () => {
  test.each([-1, 1.5, NaN, 100, Infinity])(
    "token %d is in no vocabulary: nothing is appended",
    async (token) => {
      const { stream, backend } = open();
      const error = await errorOf(() => stream.append([1, 2, token]));
      expect(error).toMatchObject({
        code: "range",
        details: { what: "token at index 2", value: token, minimum: 0, maximum: 99 },
      });
      await errorOf(() => stream.score([token]));
      expect(await errorOf(() => open({ bos: token }))).toMatchObject({ code: "range" });
      expect(backend.calls).toEqual([]);
      expect(stream.position).toBe(0);
    },
  );

  test("a hole in a list of tokens", async () => {
    const sparse = { length: 2, 0: 1 };
    expect(await errorOf(() => open().stream.append(sparse))).toMatchObject({
      code: "range",
      details: { what: "token at index 1", value: NaN },
    });
  });

  test.each([
    [-1, 2],
    [0.5, 2],
    [2, 2],
    [3, 2],
    [0, Infinity],
  ])("a mark of [%d, %d)", async (start, end) => {
    const mark = (): void => {
      open().stream.mark("turn", { start, end });
    };
    expect(await errorOf(mark)).toMatchObject({ code: "range" });
  });

  test.each([-1, 0.5, 4, NaN])("truncate to %d of 3", async (position) => {
    const { stream, backend } = open();
    await stream.append([1, 2, 3]);
    expect(await errorOf(() => stream.truncate(position))).toMatchObject({
      code: "range",
      details: { value: position, minimum: 0, maximum: 3 },
    });
    expect(backend.calls).toHaveLength(1);
  });

  test("truncate of the beginning-of-sequence token", async () => {
    const { stream } = open({ bos: 7 });
    expect(await errorOf(() => stream.truncate(0))).toMatchObject({ details: { minimum: 1, maximum: 1 } });
  });

  test("`into` shorter than the tokens", async () => {
    const { stream, backend } = open();
    const error = await errorOf(() => stream.score([1, 2], { into: new Float64Array(1) }));
    expect(error).toMatchObject({ code: "range", details: { value: 1, minimum: 2 } });
    expect(backend.calls).toEqual([]);
  });

  test("a policy that looks beyond the cells is named", async () => {
    const policy = definePolicy({
      name: "curious",
      plan: ({ length, token }) => ({ evict: [{ start: 0, end: token(length) }], survivors: "reuse" }),
    });
    const { stream } = open({ policy, budget: 2 });
    expect(await errorOf(() => stream.append(upTo(3)))).toMatchObject({
      code: "invalid-plan",
      cause: { code: "range", details: { what: "cell index", value: 2, maximum: 1 } },
    });
  });
});

describe("empty", () => {
  test("there is nothing to generate from", async () => {
    const { stream, backend } = open();
    expect(await errorOf(() => stream.generate().next())).toMatchObject({ code: "empty" });
    expect(backend.calls).toEqual([]);
    await stream.append([1]);
    await stream.truncate(0);
    expect(await errorOf(() => stream.generate().next())).toMatchObject({ code: "empty" });
  });
});

describe("an abort", () => {
  test.each([
    ["reuse", evictSecond],
    ["recompute", recomputeSecond],
  ])(
    "in the middle of a long append: the rest can follow as if nothing had happened (%s)",
    async (_, policy) => {
      const setup = { policy, budget: 8, fake: { batch: 3 } };
      const whole = open(setup);
      await whole.stream.append(upTo(20));

      const { stream, backend } = open(setup);
      const controller = new AbortController();
      let appended = 0;
      const call = stream.append(upTo(20), {
        signal: controller.signal,
        onStep: (count) => {
          appended = count;
          if (count > 10) controller.abort(new Error("enough"));
        },
      });
      await expect(call).rejects.toThrow("enough");
      expect(appended).toBeGreaterThan(10);
      expect(appended).toBeLessThan(20);
      expect(stream.position).toBe(appended);
      await stream.append(upTo(20).slice(appended));
      expect(stream.cells()).toEqual(whole.stream.cells());
      expect(await backend.saveState?.()).toEqual(await whole.backend.saveState?.());
    },
  );

  test("before the first step changes nothing", async () => {
    const { stream, backend } = open();
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(stream.append([1], { signal })).rejects.toThrow("enough");
    await expect(stream.score([1], { signal })).rejects.toThrow("enough");
    expect(backend.calls).toEqual([]);
    expect(stream.position).toBe(0);
  });

  test("of score keeps what was measured in `into`", async () => {
    const { stream } = open({ bos: 1, fake: { batch: 2 } });
    const controller = new AbortController();
    const into = new Float64Array(6).fill(-1);
    const call = stream.score(upTo(6), {
      into,
      signal: controller.signal,
      onStep: (count) => {
        if (count === 3) controller.abort();
      },
    });
    await expect(call).rejects.toMatchObject({ name: "AbortError" });
    expect([...into].map((value) => value >= 0)).toEqual([true, true, true, false, false, false]);
  });
});

describe("backend-failed and broken", () => {
  const cause = new Error("out of memory");

  test.each([undefined, new Float64Array(1), new Float64Array(3)])(
    "scores that are not as many as were asked for: %o",
    async (answer) => {
      const { stream, backend } = open();
      const decode = backend.decode.bind(backend);
      vi.spyOn(backend, "decode").mockImplementation(async (tokens, options) => {
        await decode(tokens, options);
        return answer;
      });
      const error = await errorOf(() => stream.score([1, 2, 3]));
      expect(error).toMatchObject({ code: "backend-failed", details: { operation: "decode", appended: 0 } });
      expect(error.message).toMatch(/scores where 2 were asked for/);
    },
  );

  test.each<[FakeCall["method"], KVCachePolicy]>([
    ["decode", dense],
    ["evict", evictSecond],
    ["clear", recomputeSecond],
    ["decode", recomputeSecond],
  ])("a failing %s under %o breaks the stream until it is cleared", async (method, policy) => {
    const { stream, backend } = open({ policy, budget: 4 });
    await stream.append(upTo(policy === dense ? 2 : 4));
    const snapshot = await stream.snapshot();
    backend.failNext(method, cause);
    const error = await errorOf(() => stream.append([9]));
    expect(error).toMatchObject({
      code: "backend-failed",
      actor: "backend",
      details: { operation: method, appended: 0 },
      cause,
    });
    expect(error.message).toMatch(/out of memory/);

    for (const call of [
      () => stream.append([1]),
      () => stream.score([1]),
      () => stream.truncate(1),
      () => stream.snapshot(),
      () => stream.generate().next(),
    ]) {
      expect(await errorOf(call)).toMatchObject({ code: "broken", details: { operation: method } });
    }

    await stream.clear();
    expect([stream.position, stream.length]).toEqual([0, 0]);
    await stream.append([5]);
    expect(backend.tokens).toEqual([5]);
    await stream.restore(snapshot);
    expect(stream.position).toBe(snapshot.position);
  });

  test("restore mends a broken stream too, a failing one does not", async () => {
    const { stream, backend } = open({ policy: evictSecond, budget: 4 });
    await stream.append(upTo(4));
    const snapshot = await stream.snapshot();
    backend.failNext("evict", cause);
    await errorOf(() => stream.append([9]));
    backend.failNext("loadState", cause);
    expect((await errorOf(() => stream.restore(snapshot))).code).toBe("backend-failed");
    expect((await errorOf(() => stream.append([9]))).code).toBe("broken");
    await stream.restore(snapshot);
    await stream.append([9]);
    expect(backend.tokens).toEqual([0, 2, 3, 9]);
  });

  test("restore from a damaged state is refused, and leaves the stream as it was", async () => {
    const { stream, backend } = open({ policy: evictSecond, budget: 4 });
    await stream.append(upTo(6));
    const snapshot = await stream.snapshot();
    const damaged = { ...snapshot, tokens: Uint32Array.of(7, 7, 7, 7), state: Uint8Array.of(1, 2) };
    const before = { cells: stream.cells(), position: stream.position, stats: stream.stats };
    expect(await errorOf(() => stream.restore(damaged))).toMatchObject({
      code: "config",
      details: { option: "state" },
    });
    expect({ cells: stream.cells(), position: stream.position, stats: stream.stats }).toEqual(before);
    await stream.append([9]);
    expect(backend.tokens).toEqual([0, 4, 5, 9]);
  });

  test("restore from a damaged state does not mend a broken stream", async () => {
    const { stream, backend } = open({ policy: evictSecond, budget: 4 });
    await stream.append(upTo(4));
    const snapshot = await stream.snapshot();
    backend.failNext("evict", cause);
    await errorOf(() => stream.append([9]));
    const damaged = { ...snapshot, state: Uint8Array.of(1, 2) };
    expect((await errorOf(() => stream.restore(damaged))).code).toBe("config");
    expect(await errorOf(() => stream.append([9]))).toMatchObject({
      code: "broken",
      details: { operation: "evict" },
    });
  });

  test("counts the tokens of the steps before", async () => {
    const { stream, backend } = open({ fake: { batch: 2 } });
    const error = await errorOf(() =>
      stream.append(upTo(6), {
        onStep: (count) => {
          if (count === 4) backend.failNext("decode", cause);
        },
      }),
    );
    expect(error).toMatchObject({ code: "backend-failed", details: { appended: 4 } });
  });

  test("a failing read breaks nothing", async () => {
    const { stream, backend } = open();
    await stream.append([1]);
    backend.failNext("nll", cause);
    expect(await errorOf(() => stream.score([2]))).toMatchObject({
      code: "backend-failed",
      details: { operation: "nll", appended: 0 },
    });
    backend.failNext("sample", cause);
    expect(await errorOf(() => stream.generate().next())).toMatchObject({
      code: "backend-failed",
      details: { operation: "sample" },
    });
    backend.failNext("saveState", cause);
    expect((await errorOf(() => stream.snapshot())).code).toBe("backend-failed");
    await stream.append([2]);
    expect(backend.tokens).toEqual([1, 2]);
  });

  test("a sampler that draws no token is a failure of the backend", async () => {
    const { stream, backend } = open();
    await stream.append([1]);
    vi.spyOn(backend, "createSampler").mockReturnValue({
      sample: () => Promise.resolve(-1),
      dispose: () => undefined,
    });
    const error = await errorOf(() => stream.generate().next());
    expect(error).toMatchObject({ code: "backend-failed", details: { operation: "sample" } });
    expect(error.message).toMatch(/drew -1/);
    expect(stream.position).toBe(1);
  });

  test("an error of the project passes through as it is", async () => {
    const { stream, backend } = open();
    const own = new KVPolicyError({
      code: "unsupported",
      message: "no",
      details: { feature: "decode", reason: "no" },
    });
    backend.failNext("decode", own);
    expect(await errorOf(() => stream.append([1]))).toBe(own);
  });
});

describe("disposed", () => {
  test("every method but reading refuses, dispose itself does not", async () => {
    const { stream, backend } = open();
    await stream.append([1]);
    const snapshot = await stream.snapshot();
    await stream.dispose();
    const calls: (() => unknown)[] = [
      () => stream.append([1]),
      () => stream.append([]),
      () => stream.score([1]),
      () => stream.generate().next(),
      () => {
        stream.mark("turn", { start: 0, end: 1 });
      },
      () => stream.truncate(0),
      () => stream.clear(),
      () => stream.snapshot(),
      () => stream.restore(snapshot),
    ];
    for (const call of calls) expect((await errorOf(call)).code).toBe("disposed");
    await stream.dispose();
    await stream[Symbol.asyncDispose]();
    expect(backend.calls.filter(({ method }) => method === "dispose")).toHaveLength(1);
    expect([stream.position, stream.length]).toEqual([1, 1]);
    expect([...stream.cells().tokens]).toEqual([1]);
  });

  test("during an append: the step under way ends, the next one does not begin", async () => {
    const { stream, backend } = open({ fake: { batch: 2 } });
    let disposing: Promise<void> | undefined;
    const call = stream.append(upTo(10), {
      onStep: (count) => {
        if (count === 4) disposing = stream.dispose();
      },
    });
    expect((await errorOf(() => call)).code).toBe("disposed");
    await disposing;
    expect(stream.position).toBe(4);
    expect(backend.calls.map(({ method }) => method)).toEqual(["decode", "decode", "dispose"]);
  });

  test("`await using` disposes", async () => {
    const { stream, backend } = open();
    {
      await using scoped = stream;
      await scoped.append([1]);
    }
    expect(backend.calls.at(-1)).toEqual({ method: "dispose" });
  });

  test("all who dispose wait for the same end, and hear of a failure", async () => {
    const { stream, backend } = open();
    backend.failNext("dispose", new Error("stuck"));
    const both = await Promise.allSettled([stream.dispose(), stream.dispose()]);
    expect(both).toMatchObject([
      { status: "rejected", reason: { code: "backend-failed", details: { operation: "dispose" } } },
      { status: "rejected" },
    ]);
  });
});

describe("overlapping calls", () => {
  test("run in call order, none inside another", async () => {
    const { stream, backend } = open({ fake: { batch: 2 } });
    const tokens = [1, 2, 3];
    const calls = [stream.append(tokens), stream.score([4, 5]), stream.truncate(4), stream.append([6])];
    tokens.fill(0);
    await Promise.all(calls);
    expect(backend.tokens).toEqual([1, 2, 3, 4, 6]);
  });

  test("a call after one that failed runs", async () => {
    const { stream, backend } = open({ budget: 2 });
    const [full, cleared] = await Promise.allSettled([stream.append([1, 2, 3]), stream.clear()]);
    expect([full.status, cleared.status]).toEqual(["rejected", "fulfilled"]);
    expect(backend.tokens).toEqual([]);
  });

  test("two generations take turns, each with its own sampler", async () => {
    const { stream, backend } = open();
    await stream.append([1]);
    const first = stream.generate({ seed: 1 });
    const second = stream.generate({ seed: 2 });
    const results = await Promise.all([first.next(), second.next(), first.next(), second.next()]);
    const yielded = results.map(({ value }) => (value as { token: number }).token);
    await stream.append([]);
    expect(backend.tokens).toEqual([1, ...yielded]);
  });
});
