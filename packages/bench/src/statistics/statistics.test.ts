import { KVPolicyError } from "@kvpolicy/core";
import { describe, expect, it } from "vitest";

import { autoregression } from "../testing/autoregression.js";
import { automaticBlockLength } from "./block-length.js";
import { movingBlockBootstrap } from "./bootstrap.js";
import { mean, perplexity } from "./perplexity.js";
import { quantiles } from "./quantiles.js";
import { createRandom, hashNumbers } from "./random.js";

describe("createRandom", () => {
  it("repeats with a seed and differs between seeds", () => {
    const draw = (seed: number): number[] => Array.from({ length: 5 }, createRandom(seed));
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it("is uniform on [0, 1)", () => {
    const random = createRandom(1);
    const drawn = Float64Array.from({ length: 100_000 }, random);
    expect(mean(drawn)).toBeCloseTo(0.5, 2);
    expect(mean(drawn.map((value) => (value - 0.5) ** 2))).toBeCloseTo(1 / 12, 2);
    expect(drawn.every((value) => value >= 0 && value < 1)).toBe(true);
  });
});

describe("hashNumbers", () => {
  it.each([
    [0, [], 0],
    [1, [], 0x514e28b7],
    [0, [0], 0x2362f9de],
    [0, [0xffffffff], 0x76293b50],
    [0, [0x87654321], 0xf55b516b],
    [0x5082edee, [0x87654321], 0x2362f9de],
  ])("is MurmurHash3: seed %i, %o", (seed, numbers, hash) => {
    expect(hashNumbers(seed, ...numbers)).toBe(hash);
  });

  it("depends on every number and on their order, and takes stream positions beyond 32 bits", () => {
    expect(hashNumbers(1, 2, 3)).not.toBe(hashNumbers(1, 3, 2));
    expect(hashNumbers(1, 2, 3)).not.toBe(hashNumbers(1, 2));
    expect(hashNumbers(1, 2 ** 40 + 7)).toBe(hashNumbers(1, 7));
  });
});

describe("perplexity", () => {
  it("is the size of the vocabulary when every token is equally likely", () => {
    const { value, tokens } = perplexity(new Float64Array(10).fill(Math.log(50)));
    expect(value).toBeCloseTo(50, 10);
    expect(tokens).toBe(10);
  });

  it("leaves out a first token that nothing predicts, and only that", () => {
    expect(perplexity(Float64Array.of(NaN, 1, 3))).toEqual({ value: Math.exp(2), tokens: 2 });
    expect(perplexity(Float64Array.of(5, 1, 3)).tokens).toBe(3);
    expect(perplexity(Float64Array.of(1, NaN, 3))).toEqual({ value: null, tokens: 3 });
    expect(perplexity(Float64Array.of(1, Infinity)).value).toBeNull();
  });

  it("takes a part", () => {
    expect(perplexity(Float64Array.of(9, 1, 3, 9), 1, 3)).toEqual({ value: Math.exp(2), tokens: 2 });
    expect(perplexity(Float64Array.of(NaN))).toEqual({ value: null, tokens: 0 });
    expect(perplexity(new Float64Array(0))).toEqual({ value: null, tokens: 0 });
  });
});

describe("quantiles", () => {
  it("agrees with the sorted sample and leaves it in its order", () => {
    const sample = Float64Array.of(5, 1, 4, 2, 3);
    expect(quantiles(sample, [0.5, 0, 1])).toEqual([3, 1, 5]);
    expect([...sample]).toEqual([5, 1, 4, 2, 3]);
  });

  it("has nothing to say of an empty sample", () => {
    expect(quantiles([], [0.5])).toEqual([NaN]);
  });
});

describe("automaticBlockLength", () => {
  it("is 1 for a constant series, whatever rounding makes of it", () => {
    for (const value of [0, 1, 0.01 - 1e-9, -1 / 3, 1e6 + 0.1])
      expect(automaticBlockLength(new Float64Array(8192).fill(value))).toBe(1);
  });

  it("grows with the memory of the series", () => {
    const lengths = [0, 0.5, 0.9].map((memory) => automaticBlockLength(autoregression(20_000, memory, 3)));
    expect(lengths[0]).toBeLessThan(10);
    expect(lengths[1]).toBeGreaterThan(lengths[0]!);
    expect(lengths[2]).toBeGreaterThan(2 * lengths[1]!);
  });

  it("is near the closed form for an autoregression of order one", () => {
    // g = 2ρ/(1−ρ)²·γ(0)…: for AR(1), (g/D-part) reduces to b = (6 ρ² / (1−ρ²)²)^(1/3) · n^(1/3).
    const [n, memory] = [50_000, 0.6];
    const ideal = Math.cbrt((6 * memory ** 2 * n) / (1 - memory ** 2) ** 2);
    const chosen = mean(
      Float64Array.from([1, 2, 3, 4, 5], (seed) => automaticBlockLength(autoregression(n, memory, seed))),
    );
    expect(chosen / ideal).toBeGreaterThan(0.75);
    expect(chosen / ideal).toBeLessThan(1.35);
  });

  it("is 1 for a constant and for a few values", () => {
    expect(automaticBlockLength(new Float64Array(100).fill(2))).toBe(1);
    expect(automaticBlockLength(Float64Array.of(1, 2, 3))).toBe(1);
  });
});

describe("movingBlockBootstrap", () => {
  it("promises too much when the values are drawn one by one, so the blocks matter", () => {
    const series = autoregression(8192, 0.8, 5);
    const width = (shortestBlock: number): number => {
      const { interval } = movingBlockBootstrap(series, { seed: 1, shortestBlock });
      return interval ? interval.upper - interval.lower : NaN;
    };
    // The long-run standard deviation of this series is (1/(1−0.8)) = 5; of one value, 1/√(1−0.64) = 1.67.
    expect(width(128)).toBeGreaterThan(0.7 * ((2 * 1.96 * 5) / Math.sqrt(8192)));
    expect(width(128)).toBeLessThan(1.4 * ((2 * 1.96 * 5) / Math.sqrt(8192)));
  });

  it("gives no interval for fewer than 64 blocks of at least 128", () => {
    const short = movingBlockBootstrap(new Float64Array(64 * 128 - 1).fill(1), { seed: 1 });
    expect(short).toEqual({ mean: 1, interval: null, blockLength: 128, blocks: 63 });
    const enough = movingBlockBootstrap(new Float64Array(64 * 128).fill(1), { seed: 1 });
    expect(enough.blocks).toBe(64);
    expect(enough.interval?.lower).toBeCloseTo(1, 12);
    expect(enough.interval?.upper).toBeCloseTo(1, 12);
  });

  it("repeats with its seed", () => {
    const series = autoregression(8192, 0.5, 9);
    expect(movingBlockBootstrap(series, { seed: 4 })).toEqual(movingBlockBootstrap(series, { seed: 4 }));
    expect(movingBlockBootstrap(series, { seed: 4 })).not.toEqual(movingBlockBootstrap(series, { seed: 5 }));
  });

  it("refuses what has no mean", () => {
    const codeOf = (values: Float64Array): string | undefined => {
      try {
        movingBlockBootstrap(values, { seed: 1 });
      } catch (error) {
        return KVPolicyError.isInstance(error) ? error.code : undefined;
      }
      return undefined;
    };
    expect(codeOf(new Float64Array(0))).toBe("empty");
    expect(codeOf(Float64Array.of(1, NaN))).toBe("range");
  });
});
