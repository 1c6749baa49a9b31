import { expect, it } from "vitest";

import { createNormal } from "../testing/autoregression.js";
import { clusterInterval, type Cluster } from "./cluster-interval.js";
import { mean } from "./perplexity.js";
import { createRandom } from "./random.js";

it("is Student's interval of the means when all clusters are of one size", () => {
  const { mean, interval, clusters } = clusterInterval(
    [1, 2, 3, 4, 5].map((mean) => ({ sum: 10 * mean, count: 10 })),
  );
  expect([mean, clusters]).toEqual([3, 5]);
  expect(interval?.lower).toBeCloseTo(3 - 2.77645 * Math.sqrt(2.5 / 5), 4);
  expect(interval?.upper).toBeCloseTo(3 + 2.77645 * Math.sqrt(2.5 / 5), 4);
});

it("weighs clusters by their values", () => {
  const { mean, interval } = clusterInterval([
    { sum: 10, count: 2 },
    { sum: 3, count: 1 },
    { sum: 8, count: 3 },
  ]);
  // The residuals are 3, −1/2 and −5/2: the standard error is √(3/2 · 15.5) / 6.
  expect(mean).toBe(3.5);
  expect(interval?.upper).toBeCloseTo(3.5 + (4.30265 * Math.sqrt(23.25)) / 6, 4);
  expect(interval?.lower).toBeCloseTo(3.5 - (4.30265 * Math.sqrt(23.25)) / 6, 4);
});

it("covers the true mean of clusters of many sizes about as often as it says", () => {
  const random = createRandom(11);
  const normal = createNormal(12);
  const drawCluster = (): Cluster => {
    const count = 100 + Math.floor(100 * random());
    return { count, sum: count * normal() + Math.sqrt(count) * normal() };
  };
  const trials = 2000;
  const covers = Float64Array.from({ length: trials }, () => {
    const { interval } = clusterInterval(Array.from({ length: 6 }, drawCluster));
    return interval && interval.lower <= 0 && interval.upper >= 0 ? 1 : 0;
  });
  // A share of 95 % of 2000 has a standard deviation of 0.5 %.
  expect(mean(covers)).toBeGreaterThan(0.935);
  expect(mean(covers)).toBeLessThan(0.965);
});

it("has no interval for one cluster, and leaves out those without values", () => {
  const one = { sum: 6, count: 4 };
  expect(clusterInterval([one])).toEqual({ mean: 1.5, interval: null, clusters: 1 });
  const empty = { sum: 0, count: 0 };
  expect(clusterInterval([empty, one, empty])).toEqual({ mean: 1.5, interval: null, clusters: 1 });
});

it.each([
  ["empty", []],
  ["empty", [{ sum: 0, count: 0 }]],
  ["range", [{ sum: NaN, count: 1 }]],
  ["range", [{ sum: 1, count: -1 }]],
  ["range", [{ sum: 1, count: 1.5 }]],
])("refuses what has no mean: %s, %j", (code, clusters) => {
  expect(() => clusterInterval(clusters)).toThrow(expect.objectContaining({ code }));
});
