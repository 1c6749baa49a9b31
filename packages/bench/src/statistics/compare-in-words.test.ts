import { describe, expect, it } from "vitest";

import { compareInWords, NON_INFERIORITY_MARGIN } from "./compare-in-words.js";

function words(lower: number, upper: number): string {
  return compareInWords("A", "B", { lower, upper });
}

describe("compareInWords", () => {
  it("says nothing without an interval", () => {
    expect(compareInWords("A", "B", null)).toBe(
      "A against B: no verdict, too little was read for an interval.",
    );
  });

  it.each([
    // Wholly above 1.
    [1.83, 1.91, "A is worse than B by 83 to 91 %."],
    [1.83, 1.83, "A is worse than B by 83 %."],
    [8.1, 12.4, "A is worse than B by 710 to 1,140 %."],
    [1.01, 1.02, "A is worse than B by 1.0 to 2.0 %, within the margin of 3 %: not inferior."],
    [1.01, 1.0301, "A is worse than B by 1.0 to 3.1 %."],
    // Wholly below 1.
    [0.5, 0.6, "A is better than B by 40 to 50 %."],
    [0.98, 0.99, "A is better than B by 1.0 to 2.0 %."],
    // Around 1.
    [1, 1, "A and B do exactly the same."],
    [0.98, 1.02, "A and B are the same within 3 %: from 2.0 % better to 2.0 % worse."],
    [0.9, 1.02, "A is not inferior to B: at most 2.0 % worse."],
    // 1 / 0.98 is 1.0204: no bound is rounded down.
    [0.98, 1.2, "B is not inferior to A: at most 2.1 % worse."],
    [0.85, 1.2, "A against B: no verdict, anything from 15 % better to 20 % worse."],
    // One bound on the line: no difference is claimed.
    [1, 1.2, "B is not inferior to A: at most 0 % worse."],
    [0.8, 1, "A is not inferior to B: at most 0 % worse."],
  ])("puts %d … %d in words", (lower, upper, expected) => {
    expect(words(lower, upper)).toBe(expected);
  });

  it("has the margin itself within, and what is above it without", () => {
    const above = NON_INFERIORITY_MARGIN + 1e-9;
    expect(words(0.9, NON_INFERIORITY_MARGIN)).toBe("A is not inferior to B: at most 3.0 % worse.");
    expect(words(0.9, above)).toMatch(/no verdict/);
    expect(words(1.01, NON_INFERIORITY_MARGIN)).toMatch(/not inferior/);
    expect(words(1.01, above)).not.toMatch(/not inferior/);
    expect(words(1 / NON_INFERIORITY_MARGIN, 1.2)).toMatch(/^B is not inferior to A/);
    expect(words(1 / above, 1.2)).toMatch(/no verdict/);
  });

  it("claims the same of two whichever of them is named first", () => {
    const bounds: (readonly [number, number])[] = [
      [1.83, 1.91],
      [1.2, 1.3],
      [0.99, 1.01],
      [0.9, 1.2],
    ];
    for (const [lower, upper] of bounds) {
      const forth = words(lower, upper);
      const back = compareInWords("B", "A", { lower: 1 / upper, upper: 1 / lower });
      const claim = /worse than|better than|the same|no verdict/;
      const turned = new Map([
        ["worse than", "better than"],
        ["better than", "worse than"],
      ]);
      const said = claim.exec(forth)?.[0] ?? "";
      expect(claim.exec(back)?.[0]).toBe(turned.get(said) ?? said);
    }
  });
});
