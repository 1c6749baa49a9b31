import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { halfToSingle } from "./half-precision.js";
import { tensorFormats } from "./tensor-formats.js";

function decode(name: string, bytes: readonly number[]): number[] {
  const format = [...tensorFormats.values()].find((candidate) => candidate.name === name)!;
  return Array.from(format.decode(Uint8Array.from(bytes)));
}

const ONE = [0x00, 0x3c];
const TWO = [0x00, 0x40];
const MINUS_HALF = [0x00, 0xb8];

describe("known values", () => {
  test("F32", () => {
    expect(decode("F32", [0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc1])).toEqual([1, -10]);
  });

  test("F16", () => {
    expect(decode("F16", [...ONE, ...MINUS_HALF, 0x01, 0x00])).toEqual([1, -0.5, 2 ** -24]);
  });

  test("BF16", () => {
    expect(decode("BF16", [0x80, 0x3f, 0x20, 0xc1, 0x49, 0x40])).toEqual([1, -10, 3.140625]);
  });

  test("Q8_0: a scale, then signed bytes", () => {
    const block = [...MINUS_HALF, 0, 1, 2, 127, 128, 255, ...new Array<number>(26).fill(4)];
    expect(decode("Q8_0", [...block, ...TWO, ...new Array<number>(32).fill(3)])).toEqual([
      ...[-0, -0.5, -1, -63.5, 64, 0.5],
      ...new Array<number>(26).fill(-2),
      ...new Array<number>(32).fill(6),
    ]);
  });

  test("Q4_0: lower halves first, 8 is zero", () => {
    const block = [...TWO, ...Array.from({ length: 16 }, (_, index) => index | ((15 - index) << 4))];
    const ascending = Array.from({ length: 16 }, (_, index) => (index - 8) * 2);
    expect(decode("Q4_0", [...block, ...block])).toEqual([
      ...ascending,
      ...ascending.toReversed(),
      ...ascending,
      ...ascending.toReversed(),
    ]);
  });

  test("Q4_1: a scale, then a minimum", () => {
    const block = [
      ...TWO,
      ...MINUS_HALF,
      ...Array.from({ length: 16 }, (_, index) => index | ((15 - index) << 4)),
    ];
    const ascending = Array.from({ length: 16 }, (_, index) => index * 2 - 0.5);
    expect(decode("Q4_1", block)).toEqual([...ascending, ...ascending.toReversed()]);
  });
});

describe("properties", () => {
  const cases = [...tensorFormats.values()].map((format) => [format.name, format] as const);
  const blocks = (bytesPerBlock: number): fc.Arbitrary<Uint8Array> =>
    fc
      .integer({ min: 0, max: 4 })
      .chain((count) =>
        fc.uint8Array({ minLength: count * bytesPerBlock, maxLength: count * bytesPerBlock }),
      );

  test.each(cases)("%s gives a block's elements for a block's bytes, block by block", (_, format) => {
    const { blockSize, bytesPerBlock } = format;
    fc.assert(
      fc.property(blocks(bytesPerBlock), (bytes) => {
        const values = format.decode(bytes);
        expect(values).toHaveLength((bytes.length / bytesPerBlock) * blockSize);
        for (let block = 0; block * bytesPerBlock < bytes.length; block += 1)
          expect(values.slice(block * blockSize, (block + 1) * blockSize)).toEqual(
            format.decode(bytes.slice(block * bytesPerBlock, (block + 1) * bytesPerBlock)),
          );
      }),
    );
  });

  test.each(cases)("%s does not care where its bytes lie", (_, format) => {
    fc.assert(
      fc.property(blocks(format.bytesPerBlock), fc.integer({ min: 1, max: 7 }), (bytes, offset) => {
        const buffer = new Uint8Array(bytes.length + 8).fill(0xff);
        buffer.set(bytes, offset);
        expect(format.decode(buffer.subarray(offset, offset + bytes.length))).toEqual(format.decode(bytes));
      }),
    );
  });

  const half = fc.integer({ min: 0, max: 0x7bff });
  const nibbles = fc.uint8Array({ minLength: 16, maxLength: 16 });

  test("Q4_1 rounds like F32 arithmetic, step by step", () => {
    fc.assert(
      fc.property(half, half, nibbles, (scale, minimum, packed) => {
        const bytes = [scale & 0xff, scale >> 8, minimum & 0xff, minimum >> 8, ...packed];
        const expected = (number: number): number =>
          Math.fround(Math.fround(number * halfToSingle(scale)) + halfToSingle(minimum));
        expect(decode("Q4_1", bytes)).toEqual([
          ...Array.from(packed, (byte) => expected(byte & 15)),
          ...Array.from(packed, (byte) => expected(byte >> 4)),
        ]);
      }),
    );
  });

  test("Q4_0 is (number − 8) × scale, the sign of zero included", () => {
    fc.assert(
      fc.property(half, nibbles, (scale, packed) => {
        const expected = (number: number): number => Math.fround((number - 8) * halfToSingle(scale));
        expect(decode("Q4_0", [scale & 0xff, scale >> 8, ...packed])).toEqual([
          ...Array.from(packed, (byte) => expected(byte & 15)),
          ...Array.from(packed, (byte) => expected(byte >> 4)),
        ]);
      }),
    );
  });
});
