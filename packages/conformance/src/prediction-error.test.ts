import { expect, test } from "vitest";
import { distance, klDivergence, predictionError } from "./prediction-error.js";

test("the error of a prediction ignores a constant and counts the rest, relative to the spread", () => {
  expect(predictionError([1, 2, 3], [1, 2, 3])).toBe(0);
  expect(predictionError([11, 12, 13], [1, 2, 3])).toBe(0);
  expect(predictionError([2, 4, 6], [1, 2, 3])).toBeCloseTo(1, 12);
  expect(predictionError([1.01, 2, 2.99], [1, 2, 3])).toBeCloseTo(0.01, 12);
  expect(predictionError([1, 2], [3, 3])).toBe(Infinity);
  expect(predictionError([NaN, 2], [1, 2])).toBeNaN();
});

test("tokens that are impossible on both sides are left out, on one side they are not", () => {
  expect(predictionError([1, -Infinity, 2], [1, -Infinity, 2])).toBe(0);
  expect(predictionError([1.01, -Infinity, 2, 2.99], [1, -Infinity, 2, 3])).toBeCloseTo(0.01, 12);
  expect(predictionError([-Infinity, -Infinity], [-Infinity, -Infinity])).toBe(0);
  expect(predictionError([1, -Infinity, 2], [1, 5, 2])).toBeNaN();
  expect(predictionError([1, -Infinity, 2], [1, Infinity, 2])).toBeNaN();
  expect(predictionError([NaN, 1, 2], [NaN, 1, 2])).toBeNaN();
});

test("the distance of two likelihoods counts equal infinities as equal", () => {
  expect(distance(1, 3)).toBe(2);
  expect(distance(Infinity, Infinity)).toBe(0);
  expect(distance(Infinity, 3)).toBe(Infinity);
  expect(distance(NaN, NaN)).toBeNaN();
});

test("the divergence is in nats, from the expected to the actual", () => {
  expect(klDivergence([1, 2], [1, 2])).toBe(0);
  expect(klDivergence([5, 6], [1, 2])).toBeCloseTo(0, 12);
  const [expected, actual] = [
    [0.5, 0.5],
    [0.9, 0.1],
  ].map((values) => values.map(Math.log));
  expect(klDivergence(actual!, expected!)).toBeCloseTo(
    0.5 * Math.log(0.5 / 0.9) + 0.5 * Math.log(0.5 / 0.1),
    12,
  );
  expect(klDivergence(expected!, [0, -Infinity])).toBeCloseTo(Math.log(2), 12);
  expect(klDivergence([0, -Infinity], expected!)).toBe(Infinity);
});

test.each([predictionError, klDivergence])("predictions of different tokens are not compared", (compare) => {
  expect(() => compare([1, 2], [1])).toThrow(
    expect.objectContaining({
      code: "range",
      details: expect.objectContaining({ value: 2, minimum: 1 }) as object,
    }) as Error,
  );
});
