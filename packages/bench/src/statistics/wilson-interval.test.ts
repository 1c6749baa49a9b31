import { expect, it } from "vitest";

import { wilsonInterval } from "./wilson-interval.js";

it.each([
  // Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
  [81, 263, 0.2553, 0.3662],
  [15, 148, 0.0624, 0.1605],
  [0, 20, 0, 0.1611],
  [1, 29, 0.0061, 0.1718],
  [29, 29, 0.883, 1],
  [0, 0, 0, 1],
])("of %i successes in %i trials is the published one", (successes, trials, lower, upper) => {
  const interval = wilsonInterval(successes, trials);
  expect(interval.lower).toBeCloseTo(lower, 4);
  expect(interval.upper).toBeCloseTo(upper, 4);
});

it("never leaves what a probability can be", () => {
  for (let trials = 0; trials <= 200; trials += 1) {
    expect(wilsonInterval(0, trials).lower).toBe(0);
    expect(wilsonInterval(trials, trials).upper).toBe(1);
  }
});
