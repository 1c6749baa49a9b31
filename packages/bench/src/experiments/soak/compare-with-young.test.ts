import { expect, it } from "vitest";

import type { MeasuredStream } from "../../measure/measured-model.js";
import { compareWithYoung, countComparedTokens } from "./compare-with-young.js";
import { LoopedText } from "./looped-text.js";

const text = new LoopedText(Uint32Array.from({ length: 1000 }, (_, index) => index));

it("reads the same in turns, after what the old stream read last, and leaves out the first round", async () => {
  const calls: string[] = [];
  const seen: number[] = [];
  let now = 0;
  const stream = (name: string, cost: number): MeasuredStream => {
    let turns = 0;
    const score: MeasuredStream["score"] = (tokens, { onStep } = {}) => {
      turns += 1;
      calls.push(`${name} ${tokens[0]} ${tokens.length}`);
      // Who begins is slow for two turns.
      now += tokens.length * (turns > 2 ? cost : 50);
      onStep?.(tokens.length);
      return Promise.resolve(new Float64Array(tokens.length));
    };
    return { score } as MeasuredStream;
  };
  const result = await compareWithYoung({
    old: stream("old", 3),
    young: stream("young", 2),
    text,
    read: 12_345,
    budget: 5000,
    chunk: 10,
    rounds: 2,
    seed: 1,
    clock: () => now,
    signal: undefined,
    onStep: (done) => seen.push(done),
  });
  const round = (first: number, second: number): string[] => [
    `old ${first} 10`,
    `young ${first} 10`,
    `young ${second} 10`,
    `old ${second} 10`,
  ];
  expect(calls).toEqual(["young 345 10000", ...round(345, 355), ...round(365, 375), ...round(385, 395)]);
  expect(result).toMatchObject({
    youngAge: 10_000,
    rounds: 2,
    chunk: 10,
    oldMillisecondsPerToken: 3,
    youngMillisecondsPerToken: 2,
    // Two rounds are too few for an interval.
    ratio: { interval: null },
    verdict: "not shown",
  });
  expect(result.ratio.value).toBeCloseTo(1.5, 12);
  expect(seen).toEqual([10_000, ...Array.from({ length: 12 }, (_, index) => 10_010 + 10 * index)]);
  const length = { read: 12_345, budget: 5000, chunk: 10, rounds: 2 };
  expect(countComparedTokens(length)).toBe(seen.at(-1));
  expect(countComparedTokens({ ...length, rounds: 0 })).toBe(0);
});

it.each([
  [12_345, 5001, 10_002],
  [12_345, 7000, 12_345],
  [700, 16, 700],
])(
  "lets the young stream read two budgets at least: of %i tokens at a budget of %i, %i",
  async (read, budget, age) => {
    let readByYoung = 0;
    const stream = (onScore: (count: number) => void): MeasuredStream => {
      const score: MeasuredStream["score"] = (tokens) => {
        onScore(tokens.length);
        return Promise.resolve(new Float64Array(tokens.length));
      };
      return { score } as MeasuredStream;
    };
    const length = { read, budget, chunk: 10, rounds: 1 };
    let now = 0;
    const { youngAge } = await compareWithYoung({
      ...length,
      old: stream(() => undefined),
      young: stream((count) => (readByYoung += count)),
      text,
      seed: 1,
      clock: () => (now += 1),
      signal: undefined,
      onStep: () => undefined,
    });
    expect(youngAge).toBe(age);
    expect(readByYoung).toBe(age + 4 * 10);
    expect(countComparedTokens(length)).toBe(age + 8 * 10);
  },
);
