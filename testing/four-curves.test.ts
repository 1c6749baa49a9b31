import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

import {
  describeFourCurves,
  drawFourCurves,
  FOUR_CURVES,
  readFourCurves,
  type FourCurves,
} from "../benchmarks/four-curves.js";

const given = readFourCurves();
const svg = readFileSync(FOUR_CURVES, "utf8");

/** The same with another row of one policy. */
function withPolicy(name: string, change: Partial<FourCurves["comparison"]["policies"][number]>): FourCurves {
  const policies = given.comparison.policies.map((policy) =>
    policy.name === name ? { ...policy, ...change } : policy,
  );
  return { ...given, comparison: { ...given.comparison, policies } };
}

describe("the picture of four curves", () => {
  test("is what the results say", () => {
    expect(drawFourCurves(given), "npm run picture draws it anew").toBe(svg);
  });

  test("is described in the README by the figures of the results", () => {
    expect(readFileSync("README.md", "utf8")).toContain(
      `src="${FOUR_CURVES}" width="720" alt="${describeFourCurves(given.comparison)}"`,
    );
  });

  test("names model, text, budget and every policy", () => {
    const shown = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
    expect(shown).toEqual(
      expect.arrayContaining([
        "SmolLM2-135M-Instruct (Q4_1) reads Moby Dick",
        "cache full: 256",
        "trained length: 8,192",
        "dense",
        "window",
        "recompute",
        "sink-window",
      ]),
    );
  });

  test("draws each curve from its own row", () => {
    const pathOf = (drawn: string, name: string): string =>
      new RegExp(`<path class="curve ${name}" d="([^"]*)"`).exec(drawn)?.[1] ?? "";
    for (const { name, series } of given.comparison.policies) {
      const halved = series.map((point) => ({ ...point, perplexity: point.perplexity / 2 }));
      expect(pathOf(svg, name).split("L"), name).toHaveLength(series.length);
      expect(pathOf(drawFourCurves(withPolicy(name, { series: halved })), name), name).not.toBe(
        pathOf(svg, name),
      );
    }
  });

  test("keeps the names of the curves apart", () => {
    const heights = [...svg.matchAll(/<text class="name [^"]*" x="[^"]*" y="([^"]*)"/g)].map(([, y]) =>
      Number(y),
    );
    expect(heights).toHaveLength(4);
    for (let index = 1; index < heights.length; index++)
      expect(heights[index]! - heights[index - 1]!).toBeGreaterThan(45);
  });

  test("refuses results that lack a policy or were cut off", () => {
    expect(() => drawFourCurves(withPolicy("recompute", { name: "recompute:head=none" }))).toThrow(
      /recompute/,
    );
    expect(() => drawFourCurves(withPolicy("window", { status: "partial" }))).toThrow(/complete .* window/);
  });
});
