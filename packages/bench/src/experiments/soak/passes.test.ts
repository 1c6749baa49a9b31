import { describe, expect, it } from "vitest";

import { createRandom } from "../../statistics/random.js";
import { addLikelihoods, judgeLikelihood, listPasses } from "./passes.js";
import type { SoakPass } from "./soak-results.js";
import { beginState, type SoakState } from "./soak-state.js";

const PASS = 128 * 100 + 50;

/** Passes over the same text, each `offsets[pass]` nats above what the text costs, with noise of their own. */
function soakOf(offsets: readonly number[], noise: number, length = PASS * offsets.length): SoakState {
  const state = beginState({});
  const random = createRandom(5);
  const ofText = Float64Array.from({ length: PASS }, () => 4 * random());
  const nlls = Float64Array.from(
    { length },
    (_, index) =>
      (ofText[index % PASS] ?? NaN) + (offsets[Math.floor(index / PASS)] ?? 0) + noise * (random() - 0.5),
  );
  // In uneven pieces: how they are cut must not matter.
  for (let start = 0; start < length; start += 777)
    addLikelihoods(state, nlls.subarray(start, start + 777), PASS, 1);
  return state;
}

describe("the passes", () => {
  it("are paired, so that the noise of the text is not theirs", () => {
    const passes = listPasses(soakOf([0.5, 0, 0.003, -0.002], 0.05), 1);
    expect(passes.map(({ pass, blocks }) => [pass, blocks])).toEqual([1, 2, 3, 4].map((pass) => [pass, 100]));
    expect(passes[0]).toMatchObject({ difference: null, interval: null });
    expect(passes[1]).toMatchObject({ difference: null, interval: null });
    expect(passes[0]!.meanNll! - passes[1]!.meanNll!).toBeCloseTo(0.5, 2);
    for (const [index, offset] of [0.003, -0.002].entries()) {
      const { difference, interval } = passes[index + 2]!;
      expect(difference).toBeCloseTo(offset, 3);
      expect(interval!.lower).toBeLessThan(offset);
      expect(interval!.upper).toBeGreaterThan(offset);
      // The noise of 12,800 differences is 0.05 · √(2/12) / √12,800 = 0.00018; that of the text would be 50 times as much.
      expect(interval!.upper - interval!.lower).toBeLessThan(0.001);
    }
    expect(judgeLikelihood(passes)).toMatchObject({ judged: 2, largest: { pass: 3 }, verdict: "flat" });
  });

  it.each([
    ["drifted", [0, 0, 0.001, -0.006], 0.05, 4],
    ["not shown", [0, 0, 0.001, -0.0048], 0.1, 4],
    ["flat", [0, 0, 0.004, -0.001], 0.02, 3],
  ] as const)("have %s", (verdict, offsets, noise, pass) => {
    const found = judgeLikelihood(listPasses(soakOf(offsets, noise), 1));
    expect(found).toMatchObject({ judged: 2, largest: { pass }, verdict });
  });

  it.each<[string, readonly (readonly [lower: number, upper: number])[]]>([
    ["flat", [[-0.005, 0.005]]],
    ["not shown", [[-0.0051, 0.004]]],
    ["not shown", [[-0.004, 0.0051]]],
    // The difference itself is beyond what is allowed, and may be chance.
    ["not shown", [[0.004, 0.02]]],
    ["not shown", [[-0.02, -0.005]]],
    ["not shown", [[0.005, 0.02]]],
    ["drifted", [[0.0051, 0.02]]],
    ["drifted", [[-0.02, -0.0051]]],
    [
      "drifted",
      [
        [-0.04, 0.05],
        [0.0051, 0.0052],
        [-0.001, 0.001],
      ],
    ],
    [
      "not shown",
      [
        [-0.001, 0.001],
        [-0.04, 0.05],
      ],
    ],
  ])("are %s by where the whole interval of each lies: %o", (verdict, bounds) => {
    const passes = bounds.map(([lower, upper], index): SoakPass => {
      const difference = (lower + upper) / 2;
      return { pass: index + 3, blocks: 100, meanNll: 3, difference, interval: { lower, upper } };
    });
    expect(judgeLikelihood(passes)?.verdict).toBe(verdict);
  });

  it("are not judged where they are too short, nor before the third", () => {
    const passes = listPasses(soakOf([0, 0, 0.001, 1], 0.02, 3 * PASS + 128 * 5), 1);
    expect(passes[3]).toMatchObject({ pass: 4, blocks: 5, interval: null });
    expect(passes[3]!.difference).toBeCloseTo(1, 2);
    expect(judgeLikelihood(passes)).toMatchObject({ judged: 1, verdict: "flat" });
    expect(judgeLikelihood(listPasses(soakOf([0, 0], 0), 1))).toBeNull();
    expect(judgeLikelihood([])).toBeNull();
  });

  it("leave out the first token when nothing predicts it, and say when another has no likelihood", () => {
    const state = beginState({});
    const nlls = new Float64Array(3 * 256).fill(2);
    nlls[0] = NaN;
    nlls[2 * 256 + 130] = Infinity;
    addLikelihoods(state, nlls, 256, 1);
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
    expect(listPasses(state, 1)).toEqual<SoakPass[]>([
      { pass: 1, blocks: 2, meanNll: 2, difference: null, interval: null },
      { pass: 2, blocks: 2, meanNll: 2, difference: null, interval: null },
      { pass: 3, blocks: 2, meanNll: null, difference: null, interval: null },
    ]);
  });

  it("are compared over their own blocks, whatever became of later ones of the second", () => {
    const nlls = new Float64Array(2 * 256 + 128).fill(2);
    nlls[256 + 200] = Infinity;
    const state = beginState({});
    addLikelihoods(state, nlls, 256, 1);
    expect(listPasses(state, 1)[2]).toMatchObject({ pass: 3, blocks: 1, difference: 0 });
  });

  it("keep means of blocks and no likelihoods", () => {
    const { current, reference, read } = soakOf([0, 0, 0, 0], 0.1, 3 * PASS + 300);
    expect(reference).toHaveLength(100);
    expect(current).toMatchObject({ tokens: 300 - 256 });
    expect(current.means).toHaveLength(2);
    expect(read).toBe(3 * PASS + 300);
  });
});
