import { describe, expect, it } from "vitest";

import type { StreamEvalAnswer, StreamEvalQuery } from "./stream-eval-results.js";
import { summarizeAnswers, type AnswerSummary } from "./summarize-answers.js";

type Margin = (share: number, noise: number) => number | null;

/** Their mean is 0, their standard deviation √½. */
const NOISE = [-1, 1, -0.5, 0.5, 0];

/** 400 queries, alternately 5 and 50 lines back, inside and outside of the cache. */
function summarize(inside: Margin, outside: Margin = () => 0): AnswerSummary {
  const queries: StreamEvalQuery[] = Array.from({ length: 400 }, (_, index) => ({
    line: index,
    distance: index % 2 === 0 ? 5 : 50,
    lines: 5,
    tokens: index % 2 === 0 ? 100 + (index % 4) : 1000,
    position: 50 * (index + 1),
  }));
  const answers = queries.map(({ distance }, query): StreamEvalAnswer => {
    const isInside = distance === 5;
    const margin = (isInside ? inside : outside)(query / 400, NOISE[(query >> 1) % NOISE.length] ?? 0);
    return {
      query,
      place: isInside ? "inside" : "outside",
      nll: isInside ? 2 : 9,
      tokensRight: isInside ? 3 : query % 8 === 1 ? 3 : 1,
      margin,
    };
  });
  const answerTokens = queries.map(() => 3);
  return summarizeAnswers(answers, { queries, distances: [5, 50, 70], answerTokens, start: 2000 });
}

describe("summarizeAnswers", () => {
  it("adds up by place", () => {
    const { inside, outside, partial } = summarize((_, noise) => 1 + noise);
    expect(inside).toMatchObject({ queries: 200, right: 200, tokensRight: 1, nll: 2, margins: 200 });
    expect(inside.rightInterval?.upper).toBe(1);
    expect(inside.rightInterval?.lower).toBeCloseTo(0.981, 3);
    expect(inside.margin?.mean).toBeCloseTo(1, 12);
    const { lower, upper } = inside.margin?.interval ?? { lower: NaN, upper: NaN };
    expect(upper - lower).toBeCloseTo((2 * 1.972) / Math.sqrt(2 * 199), 4);
    expect(outside).toMatchObject({ queries: 200, right: 50, tokensRight: 0.5, nll: 9 });
    expect(partial).toEqual({
      queries: 0,
      right: null,
      rightInterval: null,
      tokensRight: null,
      nll: null,
      margins: 0,
      margin: null,
    });
  });

  it("adds up by distance, and leaves out one that was not asked for", () => {
    const { distances } = summarize(() => 1);
    expect(distances).toHaveLength(2);
    expect(distances[0]).toMatchObject({ distance: 5, tokens: 101, inside: 200, outside: 0, queries: 200 });
    expect(distances[1]).toMatchObject({ distance: 50, tokens: 1000, inside: 0, outside: 200, right: 50 });
  });

  it.each<[Margin, AnswerSummary["recall"]]>([
    [(_, noise) => 0.2 + noise, "shown"],
    [(_, noise) => noise / 2, "not shown"],
    [(_, noise) => -1 + noise, "not shown"],
    [() => null, null],
  ])("says whether what is inside is seen: %#", (margin, recall) => {
    expect(summarize(margin).recall).toBe(recall);
  });

  it.each<[Margin, AnswerSummary["leak"]]>([
    [() => 0, "none"],
    [(_, noise) => 0.01 + noise / 10, "none"],
    [(_, noise) => -0.01 + noise / 10, "none"],
    [(_, noise) => 0.04 + noise / 4, "not shown"],
    [(_, noise) => -0.04 + noise / 4, "not shown"],
    [(_, noise) => 0.2 + noise / 4, "something"],
    [(_, noise) => -0.2 + noise / 4, "something"],
    [() => null, null],
  ])("says whether something outside is: %#", (margin, leak) => {
    expect(summarize(() => 1, margin).leak).toBe(leak);
  });

  it.each<[Margin, string | undefined]>([
    [(_, noise) => 1 + noise, "flat"],
    [(share, noise) => 2 - share + noise, "falls"],
    [(share, noise) => 1 + share + noise, "grows"],
    [(_, noise) => 0.1 + noise, "not shown"],
    [(_, noise) => -1 + noise, "not shown"],
    [() => null, undefined],
  ])("compares the last quarter with the first: %#", (margin, verdict) => {
    expect(summarize(margin).flatness?.verdict).toBe(verdict);
  });

  it("begins the first quarter where every cache is full", () => {
    // Position 50 · (query + 1) is 2000 at query 39: before, the margin is another.
    const { flatness } = summarize((share) => (share < 39 / 400 ? 100 : 1 + share));
    expect(flatness?.first.mean).toBeGreaterThan(1.1);
    expect(flatness?.first.mean).toBeLessThan(1.4);
    expect(flatness?.last.mean).toBeGreaterThan(1.7);
    const difference = (flatness?.last.mean ?? 0) - (flatness?.first.mean ?? 0);
    expect(flatness?.difference?.lower).toBeLessThan(difference);
    expect(flatness?.difference?.upper).toBeGreaterThan(difference);
  });

  it("has no figures of likelihoods that are missing", () => {
    const options = { queries: [], distances: [1], answerTokens: [2], start: 0 };
    const answer = { query: 0, place: "inside", nll: null, tokensRight: null, margin: null } as const;
    expect(summarizeAnswers([answer], options).inside).toMatchObject({
      queries: 1,
      nll: null,
      right: null,
      margin: null,
    });
  });
});
