import { describe, expect, it } from "vitest";

import type { Comparison, PolicyResults } from "../../comparison/comparison-schema.js";
import type { PooledPolicy } from "./perplexity-results.js";
import { poolComparisons } from "./pool-comparisons.js";

interface Row {
  readonly name: string;
  readonly value: number | null;
  readonly tokens: number;
  readonly interval?: PolicyResults["perplexity"]["interval"];
  readonly ratio?: { readonly value: number; readonly tokens: number };
}

/** Pools what was read of as many texts. */
function pool(...comparisons: Comparison[]): PooledPolicy[] {
  return poolComparisons(comparisons, comparisons.length);
}

/** As much of a comparison as is pooled. */
function comparison(...rows: readonly Row[]): Comparison {
  return {
    policies: rows.map(({ name, value, tokens, interval = null, ratio }) => ({
      name,
      perplexity: { full: { value, tokens }, interval },
      ratio: ratio ? { ...ratio, reference: "sinks", interval: { lower: 0.5, upper: 9 } } : null,
    })),
  } as unknown as Comparison;
}

describe("poolComparisons", () => {
  it("takes the figures and the intervals of one text as they are", () => {
    const pooled = pool(
      comparison(
        { name: "sinks", value: 10, tokens: 100, interval: { lower: 9, upper: 11 } },
        { name: "window", value: 30, tokens: 100, ratio: { value: 3, tokens: 100 } },
      ),
    );
    expect(pooled).toEqual([
      { name: "sinks", texts: 1, perplexity: 10, interval: { lower: 9, upper: 11 }, ratio: null },
      {
        name: "window",
        texts: 1,
        perplexity: 30,
        interval: null,
        ratio: { value: 3, interval: { lower: 0.5, upper: 9 } },
      },
    ]);
  });

  it("weighs several texts by their tokens, with an interval from how much they differ", () => {
    // ln perplexities 1 and 2 over 100 and 300 tokens: mean 1.75, residuals −75 and 75,
    // standard error √(2/1 · 11250) / 400 = 0.375, and t with one degree of freedom is 12.7062.
    const pooled = pool(
      comparison({
        name: "window",
        value: Math.E,
        tokens: 100,
        interval: { lower: 2, upper: 3 },
        ratio: { value: Math.exp(0.5), tokens: 100 },
      }),
      comparison({
        name: "window",
        value: Math.E ** 2,
        tokens: 300,
        interval: { lower: 7, upper: 8 },
        ratio: { value: Math.exp(0.1), tokens: 300 },
      }),
    );
    expect(pooled).toHaveLength(1);
    const { texts, perplexity, interval, ratio } = pooled[0]!;
    expect(texts).toBe(2);
    expect(Math.log(perplexity!)).toBeCloseTo(1.75, 10);
    expect(Math.log(interval!.lower)).toBeCloseTo(1.75 - 12.7062 * 0.375, 4);
    expect(Math.log(interval!.upper)).toBeCloseTo(1.75 + 12.7062 * 0.375, 4);
    // Ratios: mean 0.2, residuals 30 and −30, standard error √(2 · 1800) / 400 = 0.15.
    expect(Math.log(ratio!.value)).toBeCloseTo(0.2, 10);
    expect(Math.log(ratio!.interval!.lower)).toBeCloseTo(0.2 - 12.7062 * 0.15, 4);
    expect(Math.log(ratio!.interval!.upper)).toBeCloseTo(0.2 + 12.7062 * 0.15, 4);
  });

  it("weighs a ratio by the tokens that both have read, not by those of the policy", () => {
    const [pooled] = pool(
      comparison({ name: "window", value: 2, tokens: 1000, ratio: { value: Math.E, tokens: 10 } }),
      comparison({ name: "window", value: 2, tokens: 10, ratio: { value: 1, tokens: 30 } }),
    );
    expect(Math.log(pooled!.ratio!.value)).toBeCloseTo(0.25, 10);
  });

  it("counts the texts in which a policy has a figure, and has none where it has none", () => {
    const pooled = pool(
      comparison({ name: "a", value: 4, tokens: 10 }, { name: "b", value: null, tokens: 0 }),
      comparison({ name: "a", value: 4, tokens: 30 }, { name: "b", value: null, tokens: 0 }),
    );
    expect(pooled.map(({ name, texts, ratio }) => [name, texts, ratio])).toEqual([
      ["a", 2, null],
      ["b", 0, null],
    ]);
    expect(pooled[0]?.perplexity).toBeCloseTo(4, 10);
    expect(pooled[1]).toMatchObject({ perplexity: null, interval: null });
  });

  it("has no interval while only one of several texts was read, which does not show how much they differ", () => {
    const row = { name: "window", value: 4, tokens: 10, interval: { lower: 3, upper: 5 } };
    const [pooled] = poolComparisons([comparison({ ...row, ratio: { value: 2, tokens: 10 } })], 2);
    expect(pooled).toMatchObject({ texts: 1, interval: null, ratio: { interval: null } });
    expect(pooled?.perplexity).toBeCloseTo(4, 10);
    expect(pooled?.ratio?.value).toBeCloseTo(2, 10);
  });

  it("has nothing of nothing", () => {
    expect(poolComparisons([], 2)).toEqual([]);
  });
});
