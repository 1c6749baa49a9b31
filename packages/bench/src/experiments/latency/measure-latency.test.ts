import { definePolicy, KVPolicyError, type KVCachePolicy } from "@kvpolicy/core";
import type { FakeBackend } from "@kvpolicy/core/testing";
import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { describe, expect, it } from "vitest";

import type { FakeCosts } from "../../testing/fake-contender.js";
import { FakeClock, fakeText } from "../../testing/fake-contender.js";
import { fakeModel } from "../../testing/fake-model.js";
import { fakeSurroundings } from "../../testing/fake-surroundings.js";
import { createRandom } from "../../statistics/random.js";
import type { LatencyContender } from "./latency-contender.js";
import { measureLatency, type MeasureLatencyOptions } from "./measure-latency.js";
import { latencyResultsSchema, type LatencyResults, type LatencyRow } from "./latency-results.js";

const DENSE: LatencyContender = { name: "dense", kind: "dense", stride: null, create: () => dense() };

function recomputing(stride: number): LatencyContender {
  return { name: `recompute ${stride}`, kind: "recompute", stride, create: () => recompute({ stride }) };
}

function reusing(stride: number): LatencyContender {
  return {
    name: `sink-window ${stride}`,
    kind: "reuse",
    stride,
    create: () => sinkWindow({ sinks: 2, stride }),
  };
}

interface FakeLaboratory {
  readonly clock: FakeClock;
  readonly backends: FakeBackend[];
  readonly options: MeasureLatencyOptions;
}

function laboratory(
  given: Partial<MeasureLatencyOptions> & { readonly costs?: FakeCosts; readonly bos?: number } = {},
): FakeLaboratory {
  const { costs = { token: 1, eviction: 10 }, bos, ...options } = given;
  const clock = new FakeClock();
  const backends: FakeBackend[] = [];
  const model = fakeModel({
    clock,
    costs,
    ...(bos !== undefined && { bos }),
    onOpen: (backend) => backends.push(backend),
  });
  return {
    clock,
    backends,
    options: {
      model,
      surroundings: fakeSurroundings(),
      clock: clock.tell,
      text: { name: "A book", sha256: "b".repeat(64), tokens: fakeText(50) },
      contenders: [recomputing(1), recomputing(4), reusing(1), reusing(4), DENSE],
      budgets: [16],
      qualityTokens: 0,
      seed: 1,
      ...options,
    },
  };
}

function rowOf(results: LatencyResults, name: string, budget = 16): LatencyRow {
  const rows = results.budgets.find((one) => one.budget === budget)?.rows ?? [];
  return rows.find(({ contender }) => contender === name)!;
}

/** Calls of a kind that a backend received. */
function callsOf(backend: FakeBackend, method: string): FakeBackend["calls"] {
  return backend.calls.filter((call) => call.method === method);
}

/** Costs that vary at random by a share to both sides. */
function noisyCosts(share: number, token = 1): FakeCosts {
  const random = createRandom(3);
  return {
    get token() {
      return token * (1 + share * (2 * random() - 1));
    },
    eviction: 10,
  };
}

describe("measureLatency", () => {
  it("times whole strides, evictions included", async () => {
    const results = await measureLatency(laboratory().options);
    // A recomputation evaluates 16 cells for each stride; an eviction costs 10 ms and a token 1 ms.
    const figures = results.budgets[0]!.rows.map(({ mean, p50, p95, evaluatedPerToken, meanCells }) => [
      mean,
      p50,
      p95,
      evaluatedPerToken,
      meanCells,
    ]);
    expect(figures).toEqual([
      [16, 16, 16, 16, 16],
      [4, 4, 4, 4, 14.5],
      [11, 11, 11, 1, 16],
      [3.5, 3.5, 3.5, 1, 14.5],
      [1, 1, 1, 1, 12.5],
    ]);
    for (const { status, interval, mean, units, reached } of results.budgets[0]!.rows) {
      expect(status).toBe("measured");
      expect(units).toBeGreaterThanOrEqual(8);
      expect(reached).toBeCloseTo(0, 12);
      expect(interval!.lower).toBeCloseTo(mean!, 12);
    }
    expect(results).toMatchObject({ partial: false, experiment: "latency" });
  });

  it("compares equal strides only, and dense only at the same length", async () => {
    const results = await measureLatency(laboratory().options);
    const [one, four] = results.ratios;
    expect(one).toMatchObject({ budget: 16, stride: 1, reuseToDense: null });
    expect(one!.recomputeToReuse!.value).toBeCloseTo(16 / 11, 12);
    expect(four!.recomputeToReuse!.value).toBeCloseTo(4 / 3.5, 12);
    // Dense sees 12.5 cells on average where a turn is half of 16, a stride of 8 the same.
    expect(four!.reuseToDense).toBeNull();
    const equal = await measureLatency(laboratory({ contenders: [reusing(8), DENSE] }).options);
    expect(equal.ratios[0]!.recomputeToReuse).toBeNull();
    expect(equal.ratios[0]!.reuseToDense!.value).toBeCloseTo(18 / 8, 12);
  });

  it("decodes one token at a time behind a full cache, and one stride that is not counted", async () => {
    const { options, backends } = laboratory({ contenders: [reusing(4), DENSE], bos: 7 });
    const results = await measureLatency(options);
    const [evicting, plain] = backends;
    expect(callsOf(evicting!, "evict")).toHaveLength(rowOf(results, "sink-window 4").units + 1);
    for (const [backend, method] of [
      [evicting!, "evict"],
      [plain!, "truncate"],
    ] as const) {
      const first = backend.calls.findIndex((call) => call.method === method);
      const decoded = backend.calls
        .slice(first)
        .flatMap((call) => (call.method === "decode" ? [call.tokens] : []));
      for (const tokens of decoded) expect(tokens).toHaveLength(1);
    }
    // The 8 last of 16 cells leave and come back, and the token before them with them.
    const turns = rowOf(results, "dense").units + 1;
    expect(callsOf(plain!, "truncate")).toEqual(
      Array.from({ length: turns }, () => ({ method: "truncate", length: 7 })),
    );
    expect(rowOf(results, "dense").tokens).toBe(8 * (turns - 1));
  });

  it("begins the text again when it is over", async () => {
    const { options, backends } = laboratory({ contenders: [reusing(8)] });
    await measureLatency(options);
    const read = callsOf(backends[0]!, "decode").flatMap((call) =>
      call.method === "decode" ? call.tokens : [],
    );
    expect(read.length).toBeGreaterThan(60);
    expect(read).toEqual(Array.from(read, (_, index) => fakeText(50)[index % 50]));
  });

  it("goes on until the interval is as narrow as asked", async () => {
    const narrow = await measureLatency(laboratory({ costs: noisyCosts(0.9), precision: 0.04 }).options);
    const wide = await measureLatency(laboratory({ costs: noisyCosts(0.9), precision: 0.2 }).options);
    for (const { contender, reached, units, mean, interval } of narrow.budgets[0]!.rows) {
      expect(reached).toBeLessThanOrEqual(0.04);
      expect(Math.max(interval!.upper - mean!, mean! - interval!.lower) / mean!).toBeCloseTo(reached!, 12);
      if (contender === "dense") expect(units).toBeGreaterThan(rowOf(wide, contender).units);
    }
    expect(narrow.milliseconds).toBeGreaterThan(2 * wide.milliseconds);
  });

  it("stops when time is over, and says how far it came", async () => {
    const { options } = laboratory({
      costs: noisyCosts(0.9),
      precision: 0.001,
      minutes: 0.05,
      budgets: [16, 32],
    });
    const results = await measureLatency(options);
    expect(results.milliseconds).toBeGreaterThan(2500);
    // What was begun is finished.
    expect(results.milliseconds).toBeLessThan(3000 + 64);
    for (const { rows } of results.budgets) {
      for (const row of rows) {
        expect(row.units).toBeGreaterThan(8);
        expect(row.reached).toBeGreaterThan(0.001);
      }
    }
  });

  it("gives contenders that need more the same time each", async () => {
    const { options, backends } = laboratory({
      costs: noisyCosts(0.9),
      precision: 0.001,
      minutes: 0.1,
      contenders: [recomputing(4), reusing(4)],
    });
    const { budgets } = await measureLatency(options);
    const [dear, cheap] = budgets[0]!.rows.map(({ tokens, mean }) => tokens * mean!);
    expect(backends).toHaveLength(2);
    expect(cheap! / dear!).toBeGreaterThan(0.9);
    expect(cheap! / dear!).toBeLessThan(1.1);
  });

  it("lets a cheap contender measure as long as a dear one does", async () => {
    // Each evaluated token of dense is 64 times cheaper than a stride of recompute; its time never varies.
    const { options } = laboratory({
      budgets: [64],
      contenders: [recomputing(1), { ...reusing(1), create: () => sinkWindow({ sinks: 1, stride: 1 }) }],
      costs: { token: 1, eviction: 0 },
    });
    const results = await measureLatency(options);
    expect(rowOf(results, "recompute 1", 64).units).toBe(8);
    // 4 ms of each round, of which there are 9 with that of the warm-up.
    expect(rowOf(results, "sink-window 1", 64).units).toBeGreaterThanOrEqual(30);
  });

  it("counts the first stride where one takes long", async () => {
    const { options, backends } = laboratory({
      costs: { token: 1000, eviction: 0 },
      contenders: [recomputing(1)],
      minutes: 1,
    });
    const row = rowOf(await measureLatency(options), "recompute 1");
    // 16 s to fill, and 16 s a token: two more in a minute.
    expect(row).toMatchObject({
      status: "measured",
      units: 2,
      tokens: 2,
      mean: 16_000,
      interval: null,
      reached: null,
    });
    expect(callsOf(backends[0]!, "clear")).toHaveLength(2);
  });

  it("leaves out a stride that takes longer than the time left", async () => {
    const { options } = laboratory({
      costs: { token: 1000, eviction: 0 },
      contenders: [recomputing(1), reusing(1)],
      minutes: 0.7,
    });
    const results = await measureLatency(options);
    expect(rowOf(results, "recompute 1")).toMatchObject({
      status: "left-out",
      reason: "one stride would take at least 16 s, and 9.0 s of the time allowed were left",
      mean: null,
      units: 0,
    });
    expect(rowOf(results, "sink-window 1").units).toBeGreaterThan(0);
    expect(results.ratios[0]!.recomputeToReuse).toBeNull();
  });

  it("leaves out a budget that cannot be filled in the time left", async () => {
    const { options, backends } = laboratory({ budgets: [2048, 16], minutes: 0.1 });
    const results = await measureLatency(options);
    expect(results.budgets.map(({ budget }) => budget)).toEqual([16, 2048]);
    expect(backends).toHaveLength(5);
    expect(rowOf(results, "dense", 2048)).toMatchObject({
      status: "left-out",
      reason: "filling the caches alone would take longer than the time left",
    });
  });

  it("leaves out strides that the budget has no room for", async () => {
    const { options } = laboratory({ contenders: [recomputing(16), reusing(16), reusing(15), DENSE] });
    const results = await measureLatency(options);
    expect(rowOf(results, "recompute 16").reason).toBe("a stride of 16 leaves nothing of 16 cells");
    expect(rowOf(results, "sink-window 15").reason).toContain("larger than the window of 14 cells");
    expect(rowOf(results, "dense").status).toBe("measured");
  });

  it("keeps the failure of one contender in its row", async () => {
    const fails = (name: string, stride: number, policy: KVCachePolicy): LatencyContender => ({
      name,
      kind: "reuse",
      stride,
      create: () => policy,
    });
    const { options, backends } = laboratory({
      contenders: [
        fails("greedy", 1, sinkWindow({ stride: 4 })),
        fails("attentive", 2, definePolicy({ name: "attentive", requires: ["attention"], plan: () => null })),
        fails("dense in disguise", 3, dense()),
        reusing(4),
      ],
    });
    const results = await measureLatency(options);
    expect(rowOf(results, "greedy")).toMatchObject({ status: "failed", units: 0 });
    expect(rowOf(results, "greedy").reason).toContain("held 13 of 16 cells: that is no whole stride");
    expect(rowOf(results, "attentive")).toMatchObject({ status: "failed", contextBytes: null });
    expect(rowOf(results, "dense in disguise")).toMatchObject({ status: "failed" });
    expect(rowOf(results, "sink-window 4")).toMatchObject({ status: "measured", mean: 3.5 });
    // The second stream never came to be.
    for (const index of [0, 2, 3]) expect(callsOf(backends[index]!, "dispose")).toHaveLength(1);
  });

  it("keeps it in its row when a policy cannot be made or checked, and passes on a fault", async () => {
    const throwing =
      (error: Error): (() => never) =>
      () => {
        throw error;
      };
    const refusal = new KVPolicyError({
      code: "config",
      message: "No room.",
      details: { option: "budget", value: 16 },
    });
    const unmade: LatencyContender = {
      name: "unmade",
      kind: "reuse",
      stride: 1,
      create: throwing(refusal),
    };
    const unchecked: LatencyContender = {
      name: "unchecked",
      kind: "reuse",
      stride: 2,
      create: () => definePolicy({ name: "unchecked", checkBudget: throwing(refusal), plan: () => null }),
    };
    const given = {
      text: { name: "A book", sha256: "b".repeat(64), tokens: fakeText(200) },
      qualityTokens: 32,
    };
    const { options, backends } = laboratory({
      ...given,
      contenders: [unmade, unchecked, reusing(4)],
      residentBytes: () => 1000,
    });
    const results = await measureLatency(options);
    for (const { name } of [unmade, unchecked]) {
      const row = rowOf(results, name);
      expect(row).toMatchObject({ status: "failed", reason: "No room.", units: 0, residentBytes: null });
      expect(results.quality!.rows.find(({ contender }) => contender === name)).toMatchObject({
        reason: "No room.",
        perplexity: null,
      });
    }
    expect(rowOf(results, "sink-window 4")).toMatchObject({
      status: "measured",
      mean: 3.5,
      residentBytes: 0,
    });
    expect(results.quality!.rows[2]).toMatchObject({ tokens: 32, reason: null });
    expect(backends).toHaveLength(2);
    const fault = new TypeError("a fault");
    const faulty = { ...unmade, create: throwing(fault) };
    await expect(measureLatency(laboratory({ contenders: [faulty] }).options)).rejects.toBe(fault);
  });

  it("frees the other streams when one cannot be", async () => {
    const { options, backends } = laboratory({ contenders: [reusing(4), DENSE] });
    const { model } = options;
    const open: typeof model.open = async (asked) => {
      const stream = await model.open(asked);
      if (backends.length === 1) backends[0]!.failNext("dispose", new Error("stuck"));
      return stream;
    };
    const measurement = measureLatency({ ...options, model: { ...model, open } });
    await expect(measurement).rejects.toMatchObject({ cause: { message: "stuck" } });
    expect(backends).toHaveLength(2);
    for (const backend of backends) expect(callsOf(backend, "dispose")).toHaveLength(1);
  });

  it("does not take a fault for the stop that came before it", async () => {
    const controller = new AbortController();
    const fault = new TypeError("a fault");
    const { options } = laboratory({ signal: controller.signal });
    const open = (): Promise<never> => {
      controller.abort();
      return Promise.reject(fault);
    };
    await expect(measureLatency({ ...options, model: { ...options.model, open } })).rejects.toBe(fault);
  });

  it("keeps what was measured when it is stopped, and frees the streams", async () => {
    const controller = new AbortController();
    const costs = noisyCosts(0.5);
    const { options, backends, clock } = laboratory({
      budgets: [16, 32],
      precision: 0.001,
      costs,
      signal: controller.signal,
      onProgress: () => {
        if (clock.now > 2000) controller.abort();
      },
    });
    const results = await measureLatency(options);
    expect(results.partial).toBe(true);
    expect(results.milliseconds).toBeLessThan(2200);
    expect(rowOf(results, "dense").units).toBeGreaterThan(0);
    expect(results.budgets).toHaveLength(1);
    expect(backends).toHaveLength(5);
    for (const backend of backends) expect(callsOf(backend, "dispose")).toHaveLength(1);
  });

  it("counts no stride that it is stopped in", async () => {
    const controller = new AbortController();
    const { options, backends } = laboratory({
      contenders: [reusing(8)],
      costs: noisyCosts(0.1, 60),
      precision: 0.0001,
      signal: controller.signal,
      onProgress: () => {
        if (backends[0]!.calls.length === 50) controller.abort();
      },
    });
    const row = rowOf(await measureLatency(options), "sink-window 8");
    const read = callsOf(backends[0]!, "decode").length;
    expect(controller.signal.aborted).toBe(true);
    expect(row).toMatchObject({ status: "measured", reason: null });
    expect(row.tokens % 8).toBe(0);
    expect(row.tokens).toBeLessThan(read);
  });

  it("goes on beyond its time with no more than first strides", async () => {
    const { options } = laboratory({
      contenders: [recomputing(1), recomputing(2), recomputing(4), reusing(1)],
      costs: { token: 1000, eviction: 0 },
      budgets: [16, 32],
      minutes: 2,
    });
    const results = await measureLatency(options);
    expect(results.budgets[0]!.rows.map(({ units }) => units)).toEqual([1, 1, 1, 1]);
  });

  it("answers when it is stopped while a cache is filled", async () => {
    const controller = new AbortController();
    const { options } = laboratory({
      budgets: [512],
      signal: controller.signal,
      onProgress: () => {
        controller.abort();
      },
    });
    const results = await measureLatency(options);
    expect(results.partial).toBe(true);
    for (const row of results.budgets[0]!.rows)
      expect(row).toMatchObject({
        status: "left-out",
        reason: "the measurement was stopped before",
        mean: null,
      });
  });

  it("tells how far it is, never backwards and never beyond the whole", async () => {
    const told: { what: string; done: number; total: number }[] = [];
    const { options } = laboratory({
      budgets: [16, 32],
      qualityTokens: 64,
      costs: noisyCosts(0.9),
      text: { name: "A book", sha256: "b".repeat(64), tokens: fakeText(500) },
      onProgress: (progress) => told.push({ ...progress }),
    });
    const results = await measureLatency(options);
    expect(told.length).toBeGreaterThan(10);
    told.forEach(({ done, total }, index) => {
      expect(done).toBeGreaterThanOrEqual(told[index - 1]?.done ?? 0);
      expect(done).toBeLessThanOrEqual(total + 1e-9);
    });
    const first = told.filter(({ what }) => what === "decoding at 16 cells");
    expect(first.length).toBeGreaterThan(0);
    // A quarter of ten minutes is kept until it is known what the perplexities will take; before that come 32 cells.
    for (const { done, total } of first) expect(total - done).toBeGreaterThan(150_160);
    const second = told.filter(({ what }) => what === "decoding at 32 cells");
    for (const { done, total } of second) expect(total - done).toBeGreaterThan(64);
    expect(second.at(-1)!.total / results.milliseconds).toBeGreaterThan(0.7);
    expect(second.at(-1)!.total / results.milliseconds).toBeLessThan(1.4);
    expect(told.at(-1)).toMatchObject({ what: "perplexity at 16 cells" });
    expect(told.at(-1)!.done).toBeCloseTo(results.milliseconds, 6);
    expect(told.at(-1)!.total).toBeCloseTo(results.milliseconds, 6);
  });

  it("looks at the memory of the process around each stream", async () => {
    let opened = 1000;
    const { options } = laboratory({
      contenders: [reusing(1), DENSE],
      residentBytes: () => opened,
    });
    const results = await measureLatency({
      ...options,
      model: {
        ...options.model,
        open: (asked) => {
          opened += 100;
          return options.model.open(asked);
        },
      },
    });
    expect(results.budgets[0]!.residentBytes).toEqual({ before: 1000, filled: 1200 });
    expect(rowOf(results, "dense").residentBytes).toBe(100);
  });

  it("comes back from JSON as it was", async () => {
    const text = { name: "A book", sha256: "b".repeat(64), tokens: fakeText(200) };
    const results = await measureLatency(
      laboratory({ budgets: [8, 16], qualityTokens: 32, text, residentBytes: () => 5 }).options,
    );
    expect(latencyResultsSchema.parse(JSON.parse(JSON.stringify(results)))).toEqual(results);
    expect(results.slopes.map(({ stride, budgets }) => [stride, budgets])).toEqual([
      [1, [8, 16]],
      [4, [8, 16]],
    ]);
    // Time of recompute doubles with the budget, that of sink-window stays.
    for (const { value } of results.slopes) expect(value).toBeCloseTo(1, 10);
  });

  it.each<[Partial<MeasureLatencyOptions>, string, string]>([
    [{ budgets: [] }, "budgets", "at least one"],
    [{ budgets: [16, 1.5] }, "budgets", "whole numbers"],
    [{ budgets: [16, 16] }, "budgets", "given twice"],
    [{ minutes: 0 }, "minutes", "minutes must be above 0, not 0"],
    [{ minutes: Infinity }, "minutes", "minutes"],
    [{ precision: 0 }, "precision", "precision must be above 0"],
    [{ qualityTokens: -1 }, "qualityTokens", "whole number"],
    [{ qualityBudget: 17 }, "qualityBudget", "one of the budgets, not 17"],
    [{ contenders: [] }, "contenders", "nobody"],
    [{ contenders: [{ ...DENSE, stride: 3 }] }, "contenders", '"dense" cannot have a stride of 3'],
    [{ contenders: [{ ...reusing(1), stride: null }] }, "contenders", "cannot have a stride of null"],
    [{ contenders: [reusing(1), { ...reusing(1), name: "again" }] }, "contenders", 'two of "reuse 1"'],
    [
      { contenders: [reusing(1), { ...reusing(2), name: "sink-window 1" }] },
      "contenders",
      'two of "sink-window 1"',
    ],
  ])("refuses %o before anything is opened", async (given, option, message) => {
    const { options, backends } = laboratory(given);
    const error: unknown = await measureLatency(options).catch((thrown: unknown) => thrown);
    expect(KVPolicyError.isInstance(error, "config")).toBe(true);
    expect((error as KVPolicyError<"config">).details.option).toBe(option);
    expect((error as Error).message).toContain(message);
    expect(backends).toHaveLength(0);
  });

  it("refuses an empty text", async () => {
    const { options } = laboratory({ text: { name: "A book", sha256: "b".repeat(64), tokens: [] } });
    await expect(measureLatency(options)).rejects.toMatchObject({ code: "empty" });
  });
});

describe("the perplexities of a latency measurement", () => {
  const text = { name: "A book", sha256: "b".repeat(64), tokens: fakeText(400) };

  it("are over the same tokens behind the fill, and compared at equal strides", async () => {
    const { options } = laboratory({ text, qualityTokens: 100, budgets: [16, 32], qualityBudget: 32 });
    const { quality, budgets } = await measureLatency(options);
    expect(quality).toMatchObject({ budget: 32, tokens: 132, reason: null });
    expect(quality!.rows.map(({ contender, tokens, reason }) => [contender, tokens, reason])).toEqual([
      ["recompute 1", 100, null],
      ["recompute 4", 100, null],
      ["sink-window 1", 100, null],
      ["sink-window 4", 100, null],
    ]);
    for (const row of quality!.rows) {
      const reuse = quality!.rows.find(({ kind, stride }) => kind === "reuse" && stride === row.stride)!;
      if (row.kind === "reuse") expect(row.ratioToReuse).toBeNull();
      else expect(row.ratioToReuse!.value).toBeCloseTo(row.perplexity! / reuse.perplexity!, 10);
      const timed = budgets[1]!.rows.find(({ contender }) => contender === row.contender);
      expect(row.millisecondsPerToken).toBe(timed!.mean);
    }
  });

  it("are over the tokens that all had read when it was stopped", async () => {
    const controller = new AbortController();
    const { options, backends } = laboratory({
      text,
      qualityTokens: 100,
      contenders: [recomputing(4), reusing(4)],
      signal: controller.signal,
      onProgress: () => {
        // The third stream is the first that reads for perplexity, that of the cheaper contender.
        const calls = backends[2] ? callsOf(backends[2], "decode") : [];
        if (calls.flatMap((call) => (call.method === "decode" ? call.tokens : [])).length > 90)
          controller.abort();
      },
    });
    const { quality, partial } = await measureLatency(options);
    expect(partial).toBe(true);
    const [dear, cheap] = quality!.rows;
    for (const { reason } of quality!.rows) expect(reason).toBe("the measurement was stopped before");
    // A slice of 64 tokens was read by both, to the end of the stride that it ended in.
    expect(dear!.tokens).toBe(cheap!.tokens);
    expect(cheap!.tokens).toBeGreaterThanOrEqual(64 - 16);
    expect(cheap!.tokens).toBeLessThan(64 - 16 + 4);
    expect(dear!.ratioToReuse!.value).toBeCloseTo(dear!.perplexity! / cheap!.perplexity!, 10);
  });

  it("leave out the dearest where time is short", async () => {
    // 100 tokens of recompute at stride 1 evaluate 3200, at 1 ms each.
    const { options } = laboratory({
      text,
      qualityTokens: 100,
      budgets: [32],
      minutes: 0.06,
      costs: { token: 1, eviction: 0 },
    });
    const { quality } = await measureLatency(options);
    const reasons = quality!.rows.map(({ contender, reason, perplexity }) => [
      contender,
      reason,
      perplexity === null,
    ]);
    expect(reasons[0]).toEqual([
      "recompute 1",
      expect.stringContaining("reading would take about 3.2 s, and"),
      true,
    ]);
    expect(reasons[1]).toEqual(["recompute 4", null, false]);
    expect(reasons[2]).toEqual(["sink-window 1", null, false]);
  });

  it("are none for a text that does not fill the cache, and where they are not asked for", async () => {
    const short = { ...text, tokens: fakeText(16) };
    const { quality } = await measureLatency(laboratory({ text: short, qualityTokens: 100 }).options);
    expect(quality).toMatchObject({ reason: "the text has 16 tokens, which do not fill 16 cells", rows: [] });
    expect((await measureLatency(laboratory({ text, qualityTokens: 0 }).options)).quality).toBeNull();
  });
});
