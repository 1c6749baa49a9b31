import { describe, expect, it } from "vitest";

import { chooseSpread } from "./choose-spread.js";
import type { RecordQuery } from "./write-record.js";

function queriesOf(distances: readonly number[]): RecordQuery[] {
  return distances.map((distance, index) => ({
    line: index,
    distance,
    lines: distance,
    tokens: 10,
    lineStart: 10 * index,
    value: { start: 0, end: 1 },
    answer: { start: 0, end: 1 },
    counterfactual: Uint32Array.of(1),
  }));
}

/** Lines of the chosen queries, by distance. */
function choose(distances: readonly number[], count: number): Record<number, number[]> {
  const queries = queriesOf(distances);
  const chosen = chooseSpread(queries, count);
  const lines: Record<number, number[]> = {};
  for (const query of queries) if (chosen.has(query)) (lines[query.distance] ??= []).push(query.line);
  return lines;
}

const alternating = (length: number): number[] =>
  Array.from({ length }, (_, index) => (index % 2 === 0 ? 5 : 50));

describe("chooseSpread", () => {
  it("takes as many of each distance, also where every second query is wanted", () => {
    const { 5: near, 50: far } = choose(alternating(40), 20);
    expect(near).toHaveLength(10);
    expect(far).toHaveLength(10);
  });

  it("spreads those of a distance over the record", () => {
    for (const lines of Object.values(choose(alternating(400), 20))) {
      const gaps = lines.slice(1).map((line, index) => line - lines[index]!);
      expect(lines).toHaveLength(10);
      expect(new Set(gaps)).toEqual(new Set([40]));
    }
  });

  it("gives what cannot be shared alike to one of them", () => {
    const lines = choose(alternating(40), 7);
    expect(Object.values(lines).map(({ length }) => length)).toEqual([3, 4]);
  });

  it("gives what one distance has no queries for to the others", () => {
    const lines = choose([5, 50, 5, 50, 5, 5, 70, 5, 5, 5], 8);
    expect(
      Object.fromEntries(Object.entries(lines).map(([distance, { length }]) => [distance, length])),
    ).toEqual({
      5: 5,
      50: 2,
      70: 1,
    });
  });

  it("takes all, or none", () => {
    const queries = queriesOf(alternating(9));
    expect(chooseSpread(queries, Number.MAX_SAFE_INTEGER)).toEqual(new Set(queries));
    expect(chooseSpread(queries, 9).size).toBe(9);
    expect(chooseSpread(queries, 0).size).toBe(0);
    expect(chooseSpread([], 5).size).toBe(0);
  });
});
