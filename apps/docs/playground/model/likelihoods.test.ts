import { describe, expect, it } from "vitest";

import { Likelihoods } from "./likelihoods.js";

/** Of these perplexities, one a token. */
function likelihoodsOf(...perplexities: number[]): Likelihoods {
  const likelihoods = new Likelihoods();
  likelihoods.push(perplexities.map(Math.log));
  return likelihoods;
}

describe("Likelihoods", () => {
  it("answers the perplexity of a stretch, also when it came in pieces", () => {
    const likelihoods = likelihoodsOf(2, 8);
    likelihoods.push([Math.log(4), Math.log(16)]);
    expect(likelihoods.count).toBe(4);
    expect(likelihoods.perplexity(0)).toBeCloseTo(32 ** 0.5, 12);
    expect(likelihoods.perplexity(1, 3)).toBeCloseTo(32 ** 0.5, 12);
    expect(likelihoods.perplexity(3)).toBeCloseTo(16, 12);
  });

  it("knows none of no tokens, of tokens to come, and of one without a likelihood", () => {
    expect(likelihoodsOf(2, 8).perplexity(2)).toBeUndefined();
    expect(likelihoodsOf(2, 8).perplexity(0, 3)).toBeUndefined();
    expect(likelihoodsOf(2, NaN, 8).perplexity(0)).toBeUndefined();
    expect(likelihoodsOf(2, 0).perplexity(0)).toBeUndefined();
  });

  it("compares over what both have read", () => {
    const [one, other] = [likelihoodsOf(1, 6, 6, 1000), likelihoodsOf(50, 2, 2)];
    expect(one.ratioTo(other, 1)).toBeCloseTo(3, 12);
    expect(other.ratioTo(one, 1)).toBeCloseTo(1 / 3, 12);
    expect(one.ratioTo(other, 3)).toBeUndefined();
  });

  it("makes a curve whose points are over as many tokens each", () => {
    const curve = likelihoodsOf(2, 2, 8, 8, 8, 32).curve(2, 2);
    expect(curve.map(({ tokens }) => tokens)).toEqual([2, 4, 6]);
    expect(curve.map(({ perplexity }) => Math.round(perplexity * 1e6) / 1e6)).toEqual([2, 8, 16]);
    expect(likelihoodsOf(2).curve(2, 2)).toEqual([]);
  });
});
