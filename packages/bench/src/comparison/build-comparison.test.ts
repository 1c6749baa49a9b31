import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import { describe, expect, it } from "vitest";

import { readText, type Measurement } from "../measure/read-text.js";
import { perplexity } from "../statistics/perplexity.js";
import { FakeClock, fakeContender, fakeText } from "../testing/fake-contender.js";
import { FAKE_TEXT } from "../testing/fake-surroundings.js";
import { buildComparison } from "./build-comparison.js";
import type { Comparison, PolicyResults } from "./comparison-schema.js";
import { perplexitySeries } from "./perplexity-series.js";

const BUDGET = 16;

async function measure(
  tokens: number,
  contenders: Parameters<typeof fakeContender>[0][],
): Promise<Measurement> {
  const clock = new FakeClock();
  return readText({
    tokens: fakeText(tokens),
    budget: BUDGET,
    clock: clock.tell,
    contenders: contenders.map((options) => fakeContender({ clock, ...options })),
  });
}

function rowOf({ policies }: Comparison, name: string): PolicyResults {
  return policies.find((policy) => policy.name === name)!;
}

describe("buildComparison", () => {
  it("takes the perplexity of every policy over the same stream positions, from the budget on", async () => {
    const measurement = await measure(200, [
      { policy: dense(), budget: 201, bos: 1 },
      { policy: sinkWindow(), budget: BUDGET, bos: 1 },
    ]);
    const results = buildComparison(measurement, FAKE_TEXT);
    expect(results.compared).toEqual({ start: 16, end: 201 });
    for (const [index, { nlls }] of measurement.readings.entries()) {
      // Behind a BOS the first token of the text is stream position 1, so position 16 is index 15.
      expect(results.policies[index]?.perplexity).toMatchObject({
        full: perplexity(nlls, 15),
        all: perplexity(nlls),
        interval: null,
      });
      expect(results.policies[index]?.perplexity.full.tokens).toBe(185);
      // The first four budgets after the fill: stream positions 16 to 79.
      expect(results.policies[index]?.perplexity.afterFill).toEqual(perplexity(nlls, 15, 79));
      expect(results.policies[index]?.perplexity.all.tokens).toBe(200);
    }
  });

  it("leaves the first token out where nothing predicts it", async () => {
    const results = buildComparison(await measure(50, [{ policy: window(), budget: BUDGET }]), FAKE_TEXT);
    expect(results.policies[0]?.perplexity.all.tokens).toBe(49);
    expect(results.policies[0]?.perplexity.all.value).toBeGreaterThan(1);
  });

  it("divides perplexities on shared tokens, and costs only at equal strides", async () => {
    const results = buildComparison(
      await measure(200, [
        { policy: dense(), budget: 60 },
        { name: "window", policy: window({ stride: 4 }), budget: BUDGET },
        { name: "window:8", policy: window({ stride: 8 }), budget: BUDGET },
        { policy: recompute({ stride: 4 }), budget: BUDGET, costs: { token: 7, eviction: 0 } },
        { policy: sinkWindow({ stride: 4 }), budget: BUDGET },
      ]),
      FAKE_TEXT,
    );
    const reference = rowOf(results, "sink-window");
    const plain = rowOf(results, "window");
    expect(reference.ratio).toBeNull();
    expect(plain.ratio?.reference).toBe("sink-window");
    expect(plain.ratio?.value).toBeCloseTo(
      plain.perplexity.full.value! / reference.perplexity.full.value!,
      10,
    );
    expect(plain.ratio?.interval).toBeNull();
    expect(plain.costRatio).toBe(1);
    expect(rowOf(results, "window:8").costRatio).toBeNull();
    // 16 cells of 7 ms against an eviction of 10 ms and 4 tokens of 1 ms.
    expect(rowOf(results, "recompute").costRatio).toBeCloseTo((16 * 7) / 14, 10);
    expect(rowOf(results, "dense")).toMatchObject({
      status: "failed",
      tokens: 60,
      costRatio: null,
      stride: null,
    });
    // The failed policy does not shorten what the others are compared on.
    expect(results.compared).toEqual({ start: 16, end: 200 });
    expect(rowOf(results, "dense").ratio?.tokens).toBe(44);
  });

  it("gives an interval when the text is long enough", async () => {
    const results = buildComparison(
      await measure(64 * 128 + BUDGET, [
        { policy: window({ stride: 4 }), budget: BUDGET },
        { policy: sinkWindow({ stride: 4 }), budget: BUDGET },
      ]),
      FAKE_TEXT,
    );
    const { ratio } = rowOf(results, "window");
    expect(ratio).toMatchObject({ blocks: 64, blockLength: 128, tokens: 8192 });
    expect(ratio!.interval!.lower).toBeLessThan(ratio!.value);
    expect(ratio!.interval!.upper).toBeGreaterThan(ratio!.value);
    const { full, interval } = rowOf(results, "window").perplexity;
    expect(interval!.lower).toBeLessThan(full.value!);
    expect(interval!.upper).toBeGreaterThan(full.value!);
  }, 30_000);

  it("says that nothing was evicted from a text shorter than the budget", async () => {
    const results = buildComparison(
      await measure(10, [
        { policy: window(), budget: BUDGET },
        { policy: sinkWindow(), budget: BUDGET },
      ]),
      FAKE_TEXT,
    );
    expect(results.compared).toBeNull();
    expect(results.policies[0]).toMatchObject({
      evictions: 0,
      millisecondsPerToken: null,
      ratio: null,
      peakCells: 10,
    });
    expect(results.policies[0]?.perplexity.full).toEqual({ value: null, tokens: 0 });
  });

  it("does not turn missing likelihoods into a better figure", async () => {
    const measurement = await measure(50, [{ policy: window(), budget: BUDGET }]);
    const [reading] = measurement.readings;
    const nlls = reading!.nlls.slice();
    nlls[30] = NaN;
    const broken = { ...measurement, readings: [{ ...plainReading(reading!), nlls }] };
    const [row] = buildComparison(broken, FAKE_TEXT).policies;
    expect(row?.perplexity.full.value).toBeNull();
    expect(row?.warnings[0]).toContain("no finite likelihood for 1 tokens");
  });
});

describe("perplexitySeries", () => {
  it("is flat over a uniform text and steps where the text does", () => {
    const nlls = new Float64Array(100).fill(Math.log(10)).fill(Math.log(1000), 50);
    const series = perplexitySeries(nlls, 1, 10);
    expect(series[0]?.position).toBe(10);
    expect(series[0]?.perplexity).toBeCloseTo(10, 8);
    expect(series.find(({ position }) => position === 50)?.perplexity).toBeCloseTo(10, 8);
    expect(series.find(({ position }) => position === 60)?.perplexity).toBeCloseTo(1000, 6);
    expect(series.at(-1)?.position).toBe(100);
  });

  it("begins behind a first token that nothing predicts, and stays small", () => {
    const nlls = new Float64Array(100_000).fill(1);
    nlls[0] = NaN;
    const series = perplexitySeries(nlls, 0, 32);
    expect(series.length).toBeLessThanOrEqual(240);
    expect(series[0]?.perplexity).toBeCloseTo(Math.E, 10);
    expect(perplexitySeries(Float64Array.of(NaN), 0, 32)).toEqual([]);
  });
});

function plainReading<Reading extends object>(reading: Reading): { [Key in keyof Reading]: Reading[Key] } {
  const keys = [...Object.keys(reading), "timings", "stats", "meanCells"] as (keyof Reading)[];
  return Object.fromEntries(keys.map((key) => [key, reading[key]])) as {
    [Key in keyof Reading]: Reading[Key];
  };
}
