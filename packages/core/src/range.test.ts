import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { countCells, mergeRanges, subtractRanges, type CacheRange } from "./range.js";

const CELLS = 40;

const someRanges = fc.array(
  fc
    .tuple(fc.nat(CELLS - 1), fc.integer({ min: 1, max: 9 }))
    .map(([start, size]) => ({ start, end: Math.min(CELLS, start + size) })),
  { maxLength: 8 },
);

function cellsOf(ranges: readonly CacheRange[]): Set<number> {
  const cells = new Set<number>();
  for (const { start, end } of ranges) for (let cell = start; cell < end; cell += 1) cells.add(cell);
  return cells;
}

function expectSorted(ranges: readonly CacheRange[]): void {
  ranges.forEach(({ start, end }, index) => {
    expect(start).toBeLessThan(end);
    expect(start).toBeGreaterThanOrEqual(ranges[index - 1]?.end ?? 0);
  });
}

describe("mergeRanges", () => {
  test("keeps the cells, in as few sorted ranges as there can be", () => {
    fc.assert(
      fc.property(someRanges, (ranges) => {
        const merged = mergeRanges(ranges);
        expectSorted(merged);
        expect(cellsOf(merged)).toEqual(cellsOf(merged.length === 0 ? [] : ranges));
        expect(countCells(merged)).toBe(cellsOf(ranges).size);
        merged.forEach(({ start }, index) => {
          expect(start).not.toBe(merged[index - 1]?.end);
        });
      }),
    );
  });

  test("leaves what it is given as it is", () => {
    const ranges = Object.freeze([Object.freeze({ start: 0, end: 4 }), Object.freeze({ start: 2, end: 8 })]);
    expect(mergeRanges(ranges)).toEqual([{ start: 0, end: 8 }]);
  });
});

describe("subtractRanges", () => {
  test("keeps the cells that lie outside", () => {
    fc.assert(
      fc.property(someRanges, someRanges, (ranges, others) => {
        const sorted = mergeRanges(ranges);
        const rest = subtractRanges(sorted, others);
        expectSorted(rest);
        const removed = cellsOf(others);
        expect(cellsOf(rest)).toEqual(new Set([...cellsOf(sorted)].filter((cell) => !removed.has(cell))));
      }),
    );
  });

  test.each([
    [
      [{ start: 2, end: 4 }],
      [
        { start: 0, end: 2 },
        { start: 4, end: 8 },
      ],
    ],
    [[], [{ start: 0, end: 8 }]],
    [[{ start: 0, end: 8 }], []],
    [[{ start: 8, end: 9 }], [{ start: 0, end: 8 }]],
    [
      [
        { start: 6, end: 9 },
        { start: 0, end: 1 },
      ],
      [{ start: 1, end: 6 }],
    ],
  ])("of [0, 8) without %o is %o", (others, expected) => {
    expect(subtractRanges([{ start: 0, end: 8 }], others)).toEqual(expected);
  });
});
