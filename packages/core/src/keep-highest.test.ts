import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { keepHighest } from "./keep-highest.js";
import type { CacheView } from "./policy.js";

function fullView(length: number, required = 1): CacheView {
  const read = (index: number): number => index;
  return { length, budget: length, required, marks: [], token: read, streamPosition: read };
}

/** The cells that stay. */
function kept(view: CacheView, options: Parameters<typeof keepHighest>[1]): number[] | null {
  const plan = keepHighest(view, options);
  if (!plan) return null;
  expect(plan.survivors).toBe("reuse");
  return Array.from({ length: view.length }, (_, index) => index).filter(
    (index) => !plan.evict.some(({ start, end }) => start <= index && index < end),
  );
}

describe("keepHighest", () => {
  const scores = [9, 9, 1, 5, 2, 5, NaN, 8, -Infinity, 9, 9, 9];
  const score = (index: number): number => scores[index] ?? NaN;

  test("keeps the first cells, the highest between, and the window", () => {
    expect(kept(fullView(12), { first: 2, between: 2, stride: 5, score })).toEqual([0, 1, 5, 7, 9, 10, 11]);
    expect(kept(fullView(12), { first: 2, between: 3, stride: 4, score })).toEqual([
      0, 1, 3, 5, 7, 9, 10, 11,
    ]);
  });

  test("names ranges that do not touch", () => {
    expect(keepHighest(fullView(12), { first: 2, between: 2, stride: 5, score })).toEqual({
      evict: [
        { start: 2, end: 5 },
        { start: 6, end: 7 },
        { start: 8, end: 9 },
      ],
      survivors: "reuse",
    });
  });

  test("never keeps what is worth nothing, and then frees more", () => {
    const worthless = (): number => -Infinity;
    expect(kept(fullView(12), { first: 2, between: 4, stride: 2, score: worthless })).toEqual([
      0, 1, 8, 9, 10, 11,
    ]);
    expect(kept(fullView(12), { first: 2, between: 4, stride: 2, score: () => NaN })).toEqual([
      0, 1, 8, 9, 10, 11,
    ]);
  });

  test("keeps the newest of equals", () => {
    expect(kept(fullView(10), { first: 0, between: 2, stride: 4, score: () => 7 })).toEqual([
      4, 5, 6, 7, 8, 9,
    ]);
  });

  test("keeps the window before the scored cells when more is required", () => {
    expect(kept(fullView(12, 9), { first: 2, between: 4, stride: 2, score })).toEqual([0, 1, 11]);
    expect(kept(fullView(12, 10), { first: 2, between: 4, stride: 2, score })).toEqual([0, 1]);
    expect(keepHighest(fullView(12, 11), { first: 2, between: 4, stride: 2, score })).toBeNull();
  });

  test("a stride of all behind the first cells leaves those", () => {
    expect(kept(fullView(12), { first: 2, between: 4, stride: 50, score })).toEqual([0, 1]);
  });

  test.each([{ first: 1.5 }, { first: -1 }, { between: -2 }, { between: NaN }, { stride: 0.5 }])(
    "refuses %o",
    (wrong) => {
      const options = { first: 2, between: 2, stride: 5, score, ...wrong };
      expect(() => keepHighest(fullView(12), options)).toThrow(
        expect.objectContaining({
          code: "config",
          message: expect.stringMatching(/^keepHighest: /) as string,
        }),
      );
    },
  );

  test("agrees with sorting by score", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(NaN, -Infinity, Infinity, 0), fc.nat(5)), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.nat(6),
        fc.nat(12),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 40 }),
        (values, first, between, stride, required) => {
          const length = values.length;
          const view = fullView(length, Math.min(required, length));
          const result = kept(view, { first, between, stride, score: (index) => values[index] ?? NaN });
          if (length - first < view.required) {
            expect(result).toBeNull();
            return;
          }
          const room = Math.max(0, length - first - Math.max(stride, view.required));
          const window = Math.min(room, Math.max(0, length - first - between - stride));
          const candidates = Array.from({ length: length - window - first }, (_, offset) => first + offset)
            .filter((index) => values[index]! > -Infinity)
            .sort((one, other) =>
              values[one] === values[other] ? other - one : values[other]! - values[one]!,
            )
            .slice(0, Math.min(between, room - window));
          const expected = Array.from({ length }, (_, index) => index).filter(
            (index) => index < first || index >= length - window || candidates.includes(index),
          );
          expect(result).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });
});
