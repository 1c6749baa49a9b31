import { describe, expect, test, vi } from "vitest";
import type { Sampler, TokenCodec } from "./backend.js";
import { createStream } from "./create-stream.js";
import { PINNED_MARK } from "./mark.js";
import { definePolicy, type EvictionPlan, type KVCachePolicy } from "./policy.js";
import type { CacheStream, EvictionEvent, GeneratedToken, StreamOptions } from "./stream.js";
import { FakeBackend, type FakeBackendOptions, type FakeSampling } from "./testing/fake-backend.js";

const dense = definePolicy({ name: "dense", plan: () => null });

function keepFirst(
  first: number,
  stride: number,
  survivors: EvictionPlan["survivors"] = "reuse",
): KVCachePolicy {
  return definePolicy({
    name: "keep-first",
    plan: () => ({ evict: [{ start: first, end: first + stride }], survivors }),
  });
}

/** Asks for the values of the tokens, and evicts like `keepFirst(1, 2)`. */
const nllReader = definePolicy({
  name: "nll-reader",
  requires: ["nll"],
  plan: () => ({ evict: [{ start: 1, end: 3 }], survivors: "reuse" }),
});

type Options = Partial<Omit<StreamOptions<FakeSampling>, "backend">> & {
  readonly backend?: FakeBackend;
  readonly fake?: FakeBackendOptions;
};

function open({ fake, backend = new FakeBackend(fake), policy = dense, ...options }: Options = {}): {
  stream: CacheStream<FakeSampling>;
  backend: FakeBackend;
} {
  return {
    stream: createStream<FakeSampling>({ backend, policy, ...options }),
    backend,
  };
}

/** A fake that samples a given list, and counts the samplers that were disposed. */
class ScriptedBackend extends FakeBackend {
  readonly #script: number[];
  disposedSamplers = 0;

  constructor(script: readonly number[], options?: FakeBackendOptions) {
    super(options);
    this.#script = [...script];
  }

  override createSampler(options?: FakeSampling): Sampler {
    const sampler = super.createSampler(options);
    return {
      sample: async () => {
        await sampler.sample();
        return this.#script.shift() ?? 0;
      },
      dispose: () => {
        this.disposedSamplers += 1;
        sampler.dispose();
      },
    };
  }
}

/** The stream positions of the cells, in order. */
function row(stream: CacheStream<FakeSampling>): string {
  return [...stream.cells().positions].join(" ");
}

function upTo(end: number): number[] {
  return Array.from({ length: end }, (_, index) => index);
}

async function collect(generation: AsyncIterable<GeneratedToken>): Promise<number[]> {
  const tokens: number[] = [];
  for await (const { token } of generation) tokens.push(token);
  return tokens;
}

describe("the rule of time", () => {
  test("every free cell is filled before the policy is asked, and only as much leaves as it says", async () => {
    const { stream } = open({ policy: keepFirst(2, 2), budget: 6 });
    const rows: string[] = [];
    for (const token of upTo(10)) {
      await stream.append([token]);
      rows.push(row(stream));
    }
    expect(rows).toEqual([
      "0",
      "0 1",
      "0 1 2",
      "0 1 2 3",
      "0 1 2 3 4",
      "0 1 2 3 4 5",
      "0 1 4 5 6",
      "0 1 4 5 6 7",
      "0 1 6 7 8",
      "0 1 6 7 8 9",
    ]);
  });

  test("one call of ten tokens leaves the cells of ten calls of one", async () => {
    const { stream, backend } = open({ policy: keepFirst(2, 2), budget: 6 });
    await stream.append(upTo(10));
    expect(row(stream)).toBe("0 1 6 7 8 9");
    expect(backend.tokens).toEqual([0, 1, 6, 7, 8, 9]);
  });

  test("a full cache with nothing to come is left alone", async () => {
    const plan = vi.fn(() => null);
    const { stream } = open({ policy: definePolicy({ name: "spy", plan }), budget: 4 });
    await stream.append(upTo(4));
    expect(plan).not.toHaveBeenCalled();
  });

  test("a plan may have several ranges, neighbours too", async () => {
    const evict = [
      { start: 1, end: 2 },
      { start: 2, end: 3 },
      { start: 4, end: 5 },
    ];
    const policy = definePolicy({ name: "picky", plan: () => ({ evict, survivors: "reuse" }) });
    const { stream, backend } = open({ policy, budget: 6 });
    await stream.append(upTo(7));
    expect(row(stream)).toBe("0 3 5 6");
    expect(backend.tokens).toEqual([0, 3, 5, 6]);
  });

  test("a plan may empty the cache", async () => {
    const { stream, backend } = open({ policy: keepFirst(0, 4), budget: 4 });
    const scores = await stream.score(upTo(6));
    expect(row(stream)).toBe("4 5");
    expect(backend.tokens).toEqual([4, 5]);
    expect(scores.subarray(1).every(Number.isFinite)).toBe(true);
  });

  test("the budget is the option, else the policy's, else the capacity", () => {
    const fixed = definePolicy({ name: "fixed", budget: 5, plan: () => null });
    expect(open({ policy: fixed, fake: { capacity: 9 } }).stream.budget).toBe(5);
    expect(open({ policy: fixed, budget: 5, fake: { capacity: 9 } }).stream.budget).toBe(5);
    expect(open({ budget: 7, fake: { capacity: 9 } }).stream.budget).toBe(7);
    expect(open({ fake: { capacity: 9 } }).stream.budget).toBe(9);
  });
});

describe("one step", () => {
  test("reads what is pending, evicts, then decodes the block", async () => {
    const { stream, backend } = open({ policy: nllReader, budget: 4 });
    await stream.append(upTo(4));
    backend.calls.length = 0;
    await stream.append([4, 5]);
    expect(backend.calls).toEqual([
      { method: "nll" },
      { method: "evict", ranges: [{ start: 1, end: 3 }] },
      { method: "decode", tokens: [4, 5], scoreFrom: 1 },
    ]);
  });

  test("reads no values that nobody asked for", async () => {
    const { stream, backend } = open({ policy: keepFirst(1, 2), budget: 4 });
    await stream.append(upTo(5));
    expect(backend.calls).toEqual([
      { method: "decode", tokens: [0, 1, 2, 3], scoreFrom: undefined },
      { method: "evict", ranges: [{ start: 1, end: 3 }] },
      { method: "decode", tokens: [4], scoreFrom: undefined },
    ]);
  });

  test("recomputes by clearing and one decode, however small the backend's batch", async () => {
    const { stream, backend } = open({
      policy: keepFirst(1, 3, "recompute"),
      budget: 5,
      fake: { batch: 2 },
    });
    await stream.append(upTo(5));
    backend.calls.length = 0;
    await stream.score([5, 6, 7]);
    expect(backend.calls).toEqual([
      { method: "nll" },
      { method: "clear" },
      { method: "decode", tokens: [0, 4, 5, 6, 7], scoreFrom: 3 },
    ]);
  });

  test("asks a recomputing decode for no values when there is only the token already read", async () => {
    const { stream, backend } = open({ policy: keepFirst(1, 2, "recompute"), budget: 5 });
    await stream.append(upTo(5));
    await stream.score([5]);
    expect(backend.calls.at(-1)).toEqual({ method: "decode", tokens: [0, 3, 4, 5], scoreFrom: undefined });
  });

  test("takes the backend's batch, and tells how far the call is", async () => {
    const { stream, backend } = open({ fake: { batch: 3 } });
    const steps: number[] = [];
    await stream.append(upTo(7), { onStep: (appended) => steps.push(appended) });
    expect(backend.calls.map((call) => call.method === "decode" && call.tokens.length)).toEqual([3, 3, 1]);
    expect(steps).toEqual([3, 6, 7]);
  });

  test("the very first value of a stream is NaN, with a beginning-of-sequence token it is not", async () => {
    expect(await open().stream.score([1])).toEqual(Float64Array.of(NaN));
    const [first] = await open({ bos: 2 }).stream.score([1]);
    expect(first).toBeGreaterThanOrEqual(0);
  });

  test("`into` is filled and answered, and may be longer than the tokens", async () => {
    const into = new Float64Array(4).fill(-1);
    expect(await open({ bos: 2 }).stream.score([1, 2], { into })).toBe(into);
    expect(into[1]).toBeGreaterThanOrEqual(0);
    expect([...into.subarray(2)]).toEqual([-1, -1]);
  });
});

describe("generate", () => {
  test("every yielded token belongs to the stream; the last one is held until more comes", async () => {
    const { stream, backend } = open({ backend: new ScriptedBackend([11, 12, 13]) });
    const createSampler = vi.spyOn(backend, "createSampler");
    await stream.append([1, 2]);
    const yielded: GeneratedToken[] = [];
    for await (const token of stream.generate({ maxTokens: 3 })) yielded.push(token);
    expect(yielded).toEqual([
      { token: 11, position: 2, text: "" },
      { token: 12, position: 3, text: "" },
      { token: 13, position: 4, text: "" },
    ]);
    expect(createSampler).toHaveBeenCalledTimes(1);
    expect(stream.position).toBe(5);
    expect(row(stream)).toBe("0 1 2 3");

    await stream.append([3, 4]);
    expect(backend.calls.at(-1)).toEqual({ method: "decode", tokens: [13, 3, 4], scoreFrom: undefined });
    expect(row(stream)).toBe("0 1 2 3 4 5 6");
  });

  test("appending nothing decodes the held token", async () => {
    const { stream, backend } = open({ backend: new ScriptedBackend([11]) });
    await stream.append([1]);
    await collect(stream.generate({ maxTokens: 1 }));
    await stream.append([]);
    expect(backend.tokens).toEqual([1, 11]);
  });

  test("a loop may append between two tokens", async () => {
    const { stream, backend } = open({ backend: new ScriptedBackend([11, 12]) });
    await stream.append([1]);
    for await (const { token } of stream.generate({ maxTokens: 2 })) await stream.append([token + 50]);
    expect(backend.tokens).toEqual([1, 11, 61, 12, 62]);
  });

  test("leaving the loop keeps what was yielded and frees the sampler", async () => {
    const backend = new ScriptedBackend([11, 12, 13]);
    const { stream } = open({ backend });
    await stream.append([1]);
    for await (const { token } of stream.generate()) if (token === 12) break;
    expect(backend.disposedSamplers).toBe(1);
    expect(stream.position).toBe(3);
    await stream.append([2]);
    expect(backend.tokens).toEqual([1, 11, 12, 2]);
  });

  test("a consumer that throws leaves a working stream", async () => {
    const backend = new ScriptedBackend([11, 12]);
    const { stream } = open({ backend });
    await stream.append([1]);
    const consume = async (): Promise<void> => {
      for await (const { token } of stream.generate()) throw new Error(`no room for ${token}`);
    };
    await expect(consume()).rejects.toThrow("no room for 11");
    expect(backend.disposedSamplers).toBe(1);
    await stream.append([2]);
    expect(backend.tokens).toEqual([1, 11, 2]);
  });

  test("a token that ends the generation is neither yielded nor appended", async () => {
    const codec: TokenCodec = {
      encode: () => [],
      isEndOfGeneration: (token) => token === 99,
      createDecoder: () => ({ push: (token) => `<${token}>`, flush: () => "!" }),
    };
    const backend = new ScriptedBackend([11, 99]);
    const { stream } = open({ backend, codec });
    await stream.append([1]);
    const generation = stream.generate();
    expect(await generation.next()).toEqual({
      done: false,
      value: { token: 11, position: 1, text: "<11>" },
    });
    expect(await generation.next()).toEqual({ done: true, value: { reason: "end", text: "!" } });
    expect(backend.disposedSamplers).toBe(1);
    expect(stream.position).toBe(2);
    await stream.append([2]);
    expect(backend.tokens).toEqual([1, 11, 2]);
  });

  test("what is left of an unfinished character is in the answer of the generator, never in a piece", async () => {
    const codec: TokenCodec = {
      encode: (text) => Array.from(text, Number),
      isEndOfGeneration: () => false,
      createDecoder: () => ({ push: (token) => `<${token}>`, flush: () => "!" }),
    };
    const { stream } = open({ backend: new ScriptedBackend([11, 12]), codec });
    await stream.appendText("17");
    const texts: string[] = [];
    const generation = stream.generate({ maxTokens: 2 });
    let next = await generation.next();
    for (; !next.done; next = await generation.next()) texts.push(next.value.text);
    expect(texts).toEqual(["<11>", "<12>"]);
    expect(next.value).toEqual({ reason: "length", text: "!" });
    expect([...stream.cells().tokens]).toEqual([1, 7, 11]);
  });

  test("a limit of no tokens draws none", async () => {
    const { stream, backend } = open();
    await stream.append([1]);
    const generation = stream.generate({ maxTokens: 0 });
    expect(await generation.next()).toEqual({ done: true, value: { reason: "length", text: "" } });
    expect(backend.calls.map(({ method }) => method)).toEqual(["decode"]);
  });

  test("dense yields one token beyond its budget, fails, and stays usable", async () => {
    const { stream, backend } = open({ backend: new ScriptedBackend([11, 12]), budget: 3 });
    await stream.append([1, 2]);
    const generation = stream.generate();
    await generation.next();
    await generation.next();
    expect(stream.position).toBe(4);
    await expect(generation.next()).rejects.toMatchObject({
      code: "cache-full",
      details: { policy: "dense", budget: 3, appended: 0, remaining: 0 },
    });
    expect(stream.position).toBe(4);
    expect(await stream.truncate(2)).toEqual({ exact: true });
    await stream.append([5]);
    expect(backend.tokens).toEqual([1, 2, 5]);
  });

  test("two streams of the same cells and seed generate the same, another seed does not", async () => {
    const generated = async (seed: number): Promise<number[]> => {
      const { stream } = open({ policy: keepFirst(2, 3), budget: 8 });
      await stream.append(upTo(20));
      return collect(stream.generate({ maxTokens: 10, seed }));
    };
    expect(await generated(1)).toEqual(await generated(1));
    expect(await generated(1)).not.toEqual(await generated(2));
  });

  test("an abort between two tokens rejects with its reason and loses nothing", async () => {
    const backend = new ScriptedBackend([11, 12]);
    const { stream } = open({ backend });
    await stream.append([1]);
    const controller = new AbortController();
    const generation = stream.generate({ signal: controller.signal });
    await generation.next();
    controller.abort(new Error("enough"));
    await expect(generation.next()).rejects.toThrow("enough");
    expect(backend.disposedSamplers).toBe(1);
    await stream.append([2]);
    expect(backend.tokens).toEqual([1, 11, 2]);
  });
});

describe("truncate", () => {
  test("drops the tail and holds the last token that stays", async () => {
    const { stream, backend } = open();
    await stream.append(upTo(6));
    expect(await stream.truncate(4)).toEqual({ exact: true });
    expect(stream.position).toBe(4);
    expect(row(stream)).toBe("0 1 2");
    expect(backend.calls.at(-1)).toEqual({ method: "truncate", length: 3 });
    await stream.append([9]);
    expect(backend.calls.at(-1)).toEqual({ method: "decode", tokens: [3, 9], scoreFrom: undefined });
    expect(row(stream)).toBe("0 1 2 3 4");
  });

  test("going nowhere calls nothing", async () => {
    const { stream, backend } = open();
    await stream.append(upTo(3));
    backend.calls.length = 0;
    expect(await stream.truncate(3)).toEqual({ exact: true });
    expect(backend.calls).toEqual([]);
  });

  test("back to the start clears", async () => {
    const { stream, backend } = open();
    await stream.append(upTo(3));
    expect(await stream.truncate(0)).toEqual({ exact: true });
    expect(backend.calls.at(-1)).toEqual({ method: "clear" });
    await stream.append([8]);
    expect(backend.tokens).toEqual([8]);
    expect(row(stream)).toBe("0");
  });

  test("is exact down to the token that needed the last eviction, not below", async () => {
    const exactness: Record<number, boolean> = {};
    for (const position of [5, 6, 7, 8]) {
      const { stream } = open({ policy: keepFirst(1, 2), budget: 6 });
      await stream.append(upTo(8));
      exactness[position] = (await stream.truncate(position)).exact;
    }
    expect(exactness).toEqual({ 5: false, 6: false, 7: true, 8: true });
  });

  test("into a gap keeps what is left below it, twice too", async () => {
    const { stream, backend } = open({ policy: keepFirst(2, 4), budget: 6 });
    await stream.append(upTo(7));
    expect(row(stream)).toBe("0 1 6");
    expect(await stream.truncate(5)).toEqual({ exact: false });
    expect(await stream.truncate(3)).toEqual({ exact: false });
    await stream.append([20]);
    expect(row(stream)).toBe("0 1 3");
    expect(backend.tokens).toEqual([0, 1, 20]);
  });

  test("drops a token that was generated and not decoded yet", async () => {
    const { stream, backend } = open({ backend: new ScriptedBackend([11]) });
    await stream.append([1, 2]);
    await collect(stream.generate({ maxTokens: 1 }));
    expect(await stream.truncate(2)).toEqual({ exact: true });
    await stream.append([3]);
    expect(backend.tokens).toEqual([1, 2, 3]);
  });

  test("keeps the beginning-of-sequence token", async () => {
    const { stream, backend } = open({ bos: 7 });
    await stream.append([1, 2]);
    await stream.truncate(1);
    await stream.append([3]);
    expect(backend.tokens).toEqual([7, 3]);
  });
});

describe("the beginning-of-sequence token", () => {
  test("is the stream's first token, held until something is decoded", async () => {
    const { stream, backend } = open({ bos: 7 });
    expect([stream.position, stream.length]).toEqual([1, 0]);
    expect(backend.calls).toEqual([]);
    await stream.append([1]);
    expect(backend.tokens).toEqual([7, 1]);
    expect(row(stream)).toBe("0 1");
  });

  test("is enough to generate from", async () => {
    const { stream } = open({ bos: 7, backend: new ScriptedBackend([11]) });
    expect(await collect(stream.generate({ maxTokens: 1 }))).toEqual([11]);
    expect([...stream.cells().tokens]).toEqual([7]);
  });

  test("is back, with its mark, after clear", async () => {
    const { stream } = open({ bos: 7 });
    const marks = [{ name: "bos", start: 0, end: 1 }];
    expect((await stream.snapshot()).marks).toEqual(marks);
    await stream.append([1, 2]);
    stream.mark("turn", { start: 2, end: 3 });
    await stream.clear();
    expect([stream.position, stream.length]).toEqual([1, 0]);
    expect((await stream.snapshot()).marks).toEqual(marks);
    await stream.append([3]);
    expect([...stream.cells().tokens]).toEqual([7, 3]);
  });
});

describe("marks", () => {
  /** Evicts cells 1 and 2 and notes what it saw. */
  function watcher(seen: string[]): KVCachePolicy {
    return definePolicy({
      name: "watcher",
      plan: ({ marks }) => {
        seen.push(marks.map(({ name, start, end }) => `${name}[${start},${end})`).join(" "));
        return { evict: [{ start: 1, end: 3 }], survivors: "reuse" };
      },
    });
  }

  test("travel with their tokens, shrink and die", async () => {
    const seen: string[] = [];
    const { stream } = open({ policy: watcher(seen), budget: 6 });
    stream.mark("turn", { start: 2, end: 5 });
    for (const token of upTo(13)) await stream.append([token]);
    expect(seen).toEqual(["turn[2,5)", "turn[1,3)", "", ""]);
  });

  test("of tokens to come are shown as soon as those are there", async () => {
    const seen: string[] = [];
    const { stream } = open({ policy: watcher(seen), budget: 6 });
    stream.mark("turn", { start: 7, end: 20 });
    await stream.append(upTo(9));
    expect(seen).toEqual(["", "turn[5,6)"]);
  });

  test.each([
    ["a policy that keeps some cells", keepFirst(1, 2)],
    ["a policy that empties the cache", keepFirst(0, 6)],
  ])("are forgotten when they are dead: %s", async (_, policy) => {
    const { stream } = open({ policy, budget: 6 });
    for (const token of upTo(500)) {
      stream.mark("turn", { start: token, end: token + 1 });
      await stream.append([token % 100]);
    }
    const { marks } = await stream.snapshot();
    expect(marks.length).toBeLessThanOrEqual(12);
    expect(marks.at(-1)).toEqual({ name: "turn", start: 499, end: 500 });
  });

  test("from the position on are forgotten by truncate, one across it is cut", async () => {
    const { stream } = open();
    await stream.append(upTo(8));
    stream.mark("turn", { start: 2, end: 6 });
    stream.mark("turn", { start: 5, end: 6 });
    stream.mark("later", { start: 20, end: 30 });
    await stream.truncate(4);
    expect((await stream.snapshot()).marks).toEqual([{ name: "turn", start: 2, end: 4 }]);
  });

  test("of tokens that never came are forgotten by a truncate to where the stream is", async () => {
    const { stream, backend } = open();
    await stream.append(upTo(4));
    stream.mark("turn", { start: 4, end: 5 });
    expect(await stream.truncate(4)).toEqual({ exact: true });
    expect((await stream.snapshot()).marks).toEqual([]);
    expect(backend.calls.map(({ method }) => method)).not.toContain("truncate");
  });

  test("a pinned one forbids plans that touch it", async () => {
    const { stream } = open({ policy: keepFirst(1, 2), budget: 6 });
    stream.mark(PINNED_MARK, { start: 2, end: 3 });
    await expect(stream.append(upTo(7))).rejects.toMatchObject({ code: "invalid-plan" });
    expect(row(stream)).toBe("0 1 2 3 4 5");
  });
});

describe("listeners and counters", () => {
  test("an event tells what left, why and for which token", async () => {
    const { stream } = open({ policy: keepFirst(1, 2), budget: 5 });
    const events: EvictionEvent[] = [];
    const stop = stream.onEvict((event) => events.push(event));
    await stream.append(upTo(10).map((token) => token + 20));
    expect(events).toHaveLength(3);
    expect(events[0]).toEqual({
      policy: "keep-first",
      reason: "cache-full",
      ranges: [{ start: 1, end: 3 }],
      tokens: Uint32Array.of(21, 22),
      positions: Float64Array.of(1, 2),
      survivors: "reuse",
      position: 5,
    });
    expect(events.map(({ position }) => position)).toEqual([5, 7, 9]);
    stop();
    await stream.append(upTo(5));
    expect(events).toHaveLength(3);
  });

  test("an event passes on what the policy notes, and has no note otherwise", async () => {
    const policy = definePolicy({
      name: "noting",
      plan: ({ streamPosition }) => ({
        evict: [{ start: 0, end: 1 }],
        survivors: "reuse",
        ...(streamPosition(0) === 1 && { note: "the second" }),
      }),
    });
    const { stream } = open({ policy, budget: 4 });
    const events: EvictionEvent[] = [];
    stream.onEvict((event) => events.push(event));
    await stream.append(upTo(7));
    expect(events.map((event) => ("note" in event ? event.note : "none"))).toEqual([
      "none",
      "the second",
      "none",
    ]);
  });

  test("a listener is called when the new token is in the cache already", async () => {
    const { stream } = open({ policy: keepFirst(1, 2), budget: 4 });
    const rows: string[] = [];
    stream.onEvict(() => rows.push(row(stream)));
    await stream.append(upTo(5));
    expect(rows).toEqual(["0 3 4"]);
  });

  test("a listener that throws fails the call and leaves the stream as it should be", async () => {
    const { stream, backend } = open({ policy: keepFirst(1, 2), budget: 4 });
    const stop = stream.onEvict(() => {
      throw new Error("not my day");
    });
    const told: number[] = [];
    stream.onEvict(({ position }) => told.push(position));
    await expect(stream.append(upTo(5))).rejects.toThrow("not my day");
    expect(row(stream)).toBe("0 3 4");
    expect(told).toEqual([4]);
    expect(stream.position).toBe(5);
    stop();
    await stream.append([5]);
    expect(backend.tokens).toEqual([0, 3, 4, 5]);
  });

  test("counters add up", async () => {
    const { stream } = open({ policy: keepFirst(1, 2), budget: 4 });
    await stream.append(upTo(7));
    expect(stream.stats).toEqual({
      tokens: 7,
      cellsSeen: 1 + 2 + 3 + 4 + 3 + 4 + 3,
      peakCells: 4,
      evictions: 2,
      evictedTokens: 4,
      recomputedTokens: 0,
    });
  });

  test("recomputed survivors are counted apart", async () => {
    const { stream } = open({ policy: keepFirst(1, 2, "recompute"), budget: 4 });
    await stream.append(upTo(7));
    expect(stream.stats).toMatchObject({ tokens: 7, evictions: 2, recomputedTokens: 4 });
  });
});

describe("snapshot and restore", () => {
  test("give the same stream in another backend", async () => {
    const first = open({ policy: keepFirst(1, 2), budget: 6, bos: 7 });
    await first.stream.append(upTo(12));
    const snapshot = structuredClone(await first.stream.snapshot());
    const second = open({ policy: keepFirst(1, 2), budget: 6, bos: 7 });
    await second.stream.restore(snapshot);
    expect(second.stream.position).toBe(13);
    expect(await second.stream.score(upTo(9))).toEqual(await first.stream.score(upTo(9)));
    expect(second.backend.tokens).toEqual(first.backend.tokens);
  });

  test("keep a held token and marks of tokens to come", async () => {
    const { stream } = open({ backend: new ScriptedBackend([11]) });
    stream.mark("turn", { start: 1, end: 30 });
    stream.mark("later", { start: 20, end: 30 });
    await stream.append([1]);
    for (const maxTokens of [0, 1]) {
      await collect(stream.generate({ maxTokens }));
      const snapshot = await stream.snapshot();
      expect(snapshot.held?.token).toBe(maxTokens === 0 ? undefined : 11);
      await stream.restore(snapshot);
      expect((await stream.snapshot()).marks).toEqual(snapshot.marks);
      expect(stream.position).toBe(snapshot.position);
    }
    await stream.append([2]);
    expect([...stream.cells().tokens]).toEqual([1, 11, 2]);
  });

  test("a snapshot of the empty stream is a snapshot", async () => {
    const { stream, backend } = open();
    const snapshot = await stream.snapshot();
    await stream.append([1, 2]);
    await stream.restore(snapshot);
    await stream.append([3]);
    expect(backend.tokens).toEqual([3]);
    expect(row(stream)).toBe("0");
  });

  test("truncate knows after a restore what was evicted before it", async () => {
    const { stream } = open({ policy: keepFirst(1, 2), budget: 6 });
    await stream.append(upTo(8));
    await stream.restore(await stream.snapshot());
    expect(await stream.truncate(7)).toEqual({ exact: true });
    expect(await stream.truncate(6)).toEqual({ exact: false });
  });
});
