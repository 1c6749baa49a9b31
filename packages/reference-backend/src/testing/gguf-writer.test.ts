import { GGUFValueType } from "@huggingface/gguf";
import { KVPolicyError } from "@kvpolicy/core";
import { describe, expect, it } from "vitest";

import { brainFloatBits, halfPrecisionBits, type TensorType } from "./encode-tensor.js";
import {
  booleanArray,
  float32,
  float32Array,
  type GgufValue,
  int32,
  int32Array,
  stringArray,
  uint32,
  uint32Array,
  uint64,
} from "./gguf-values.js";
import { type GgufTensor, writeGguf } from "./gguf-writer.js";
import { float32Values, parseGguf } from "../../testing/parse-gguf.js";

/** The values of 32 numbers, the first ones given and the rest zero. */
function block(...first: number[]): Float32Array {
  return Float32Array.from({ length: 32 }, (_, index) => first[index] ?? 0);
}

/** The bytes of one block, read back from a file. */
async function encode(type: TensorType, data: Float32Array, length: number): Promise<number[]> {
  const file = writeGguf({ metadata: {}, tensors: [{ name: "block", shape: [data.length], type, data }] });
  return [...(await parseGguf(file)).tensors.get("block")!.bytes.subarray(0, length)];
}

/** The little-endian bytes of a number as half precision, for numbers whose bits are given. */
const halfBytes = (bits: number): number[] => [bits & 0xff, bits >> 8];

const ONE = 0x3c00;
const zeros = (count: number): number[] => new Array<number>(count).fill(0);

describe("writeGguf", () => {
  it("writes metadata of every kind as the official parser reads it", async () => {
    const values: [string, GgufValue, GGUFValueType, unknown, GGUFValueType?][] = [
      ["a.string", "tönt ▁", GGUFValueType.STRING, "tönt ▁"],
      ["a.boolean", true, GGUFValueType.BOOL, true],
      ["a.uint8", { kind: "uint8", value: 255 }, GGUFValueType.UINT8, 255],
      ["a.int8", { kind: "int8", value: -128 }, GGUFValueType.INT8, -128],
      ["a.uint16", { kind: "uint16", value: 65_535 }, GGUFValueType.UINT16, 65_535],
      ["a.int16", { kind: "int16", value: -32_768 }, GGUFValueType.INT16, -32_768],
      ["a.uint32", uint32(2 ** 32 - 1), GGUFValueType.UINT32, 2 ** 32 - 1],
      ["a.int32", int32(-(2 ** 31)), GGUFValueType.INT32, -(2 ** 31)],
      ["a.float32", float32(0.1), GGUFValueType.FLOAT32, Math.fround(0.1)],
      ["a.uint64", uint64(2n ** 64n - 1n), GGUFValueType.UINT64, 2n ** 64n - 1n],
      ["a.int64", { kind: "int64", value: -(2n ** 63n) }, GGUFValueType.INT64, -(2n ** 63n)],
      ["a.float64", { kind: "float64", value: 0.1 }, GGUFValueType.FLOAT64, 0.1],
      ["strings", stringArray(["", "ä"]), GGUFValueType.ARRAY, ["", "ä"], GGUFValueType.STRING],
      ["none", stringArray([]), GGUFValueType.ARRAY, [], GGUFValueType.STRING],
      ["booleans", booleanArray([true, false]), GGUFValueType.ARRAY, [true, false], GGUFValueType.BOOL],
      ["uint32s", uint32Array([0, 7]), GGUFValueType.ARRAY, [0, 7], GGUFValueType.UINT32],
      ["int32s", int32Array([-1, 7]), GGUFValueType.ARRAY, [-1, 7], GGUFValueType.INT32],
      ["floats", float32Array([0.5, -2]), GGUFValueType.ARRAY, [0.5, -2], GGUFValueType.FLOAT32],
    ];
    const metadata = Object.fromEntries(values.map(([key, value]) => [key, value]));
    const { typedMetadata } = await parseGguf(writeGguf({ metadata, tensors: [] }));
    expect(typedMetadata.version.value).toBe(3);
    for (const [key, , type, value, subType] of values) {
      const expected = subType === undefined ? { type, value } : { type, value, subType };
      expect({ key, ...typedMetadata[key] }).toEqual({ key, ...expected });
    }
  });

  it("writes tensors of every length at multiples of 32 bytes", async () => {
    const tensors = Array.from({ length: 12 }, (_, index): GgufTensor => ({
      name: `tensor.${index}`,
      shape: [index + 1, 3],
      type: "F32",
      data: Float32Array.from({ length: 3 * (index + 1) }, (__, value) => index + value / 10),
    }));
    const file = writeGguf({ metadata: {}, tensors });
    const parsed = await parseGguf(file);
    expect([...parsed.tensors.keys()]).toEqual(tensors.map(({ name }) => name));
    for (const { name, shape, data } of tensors) {
      const tensor = parsed.tensors.get(name)!;
      expect(tensor.shape).toEqual(shape);
      expect(float32Values(tensor)).toEqual(data);
      expect(tensor.start % 32).toBe(0);
    }
    expect(file.length % 32).toBe(0);
  });

  it("states the type of each tensor, and gives it the bytes that it needs", async () => {
    const bytesOf = { F32: 256, F16: 128, BF16: 128, Q8_0: 68, Q4_0: 36, Q4_1: 40 };
    const types = Object.keys(bytesOf) as TensorType[];
    const data = Float32Array.from({ length: 64 }, (_, index) => index);
    const tensors = types.map((type) => ({ name: type, shape: [32, 2], type, data }));
    const parsed = await parseGguf(writeGguf({ metadata: {}, tensors }));
    const starts = types.map((type) => parsed.tensors.get(type)!.start);
    for (const [index, type] of types.entries()) {
      const tensor = parsed.tensors.get(type)!;
      expect(tensor.type).toBe(type);
      const end = starts[index + 1] ?? tensor.start + tensor.bytes.length;
      expect(end - tensor.start).toBe(Math.ceil(bytesOf[type] / 32) * 32);
    }
  });

  it("gives the same bytes for the same contents, and leaves them as they were", () => {
    const data = Float32Array.from({ length: 64 }, (_, index) => Math.sin(index));
    const copy = data.slice();
    const write = (): Uint8Array =>
      writeGguf({
        metadata: { name: "again", sizes: uint32Array([1, 2]) },
        tensors: [{ name: "tensor", shape: [64], type: "Q4_1", data }],
      });
    expect(write()).toEqual(write());
    expect(data).toEqual(copy);
  });

  const three = new Float32Array(3);
  it.each<[string, () => Uint8Array, string]>([
    [
      "values that do not fill the shape",
      () => writeGguf({ metadata: {}, tensors: [{ name: "a", shape: [2, 2], type: "F32", data: three }] }),
      "tensors",
    ],
    [
      "a tensor without dimensions",
      () =>
        writeGguf({
          metadata: {},
          tensors: [{ name: "a", shape: [], type: "F32", data: new Float32Array(1) }],
        }),
      "tensors",
    ],
    [
      "rows that end within a block",
      () =>
        writeGguf({
          metadata: {},
          tensors: [{ name: "a", shape: [16, 2], type: "Q8_0", data: new Float32Array(32) }],
        }),
      "tensors",
    ],
    [
      "two tensors of one name",
      () => {
        const tensor: GgufTensor = { name: "a", shape: [3], type: "F32", data: three };
        return writeGguf({ metadata: {}, tensors: [tensor, tensor] });
      },
      "tensors",
    ],
    [
      "a number beyond its kind",
      () => writeGguf({ metadata: { a: uint32(2 ** 32) }, tensors: [] }),
      "metadata",
    ],
    [
      "an unknown type of tensor",
      () =>
        writeGguf({
          metadata: {},
          tensors: [{ name: "a", shape: [3], type: "Q5_K" as "F32", data: three }],
        }),
      "tensors",
    ],
    [
      "an unknown kind of number",
      () => writeGguf({ metadata: { a: { kind: "uint7" as "uint8", value: 1 } }, tensors: [] }),
      "metadata",
    ],
    [
      "an array of an unknown kind",
      () => writeGguf({ metadata: { a: { kind: "uint7[]" as "uint8[]", values: [1] } }, tensors: [] }),
      "metadata",
    ],
    ["a negative unsigned number", () => writeGguf({ metadata: { a: uint32(-1) }, tensors: [] }), "metadata"],
    ["a fraction", () => writeGguf({ metadata: { a: uint64(0.5) }, tensors: [] }), "metadata"],
    [
      "such a number in an array",
      () => writeGguf({ metadata: { a: int32Array([2 ** 31]) }, tensors: [] }),
      "metadata",
    ],
  ])("refuses %s", (_, write, option) => {
    const error = catchError(write);
    expect(KVPolicyError.isInstance(error, "config") && error.details.option).toBe(option);
  });
});

function catchError(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("half precision", () => {
  /** The value of finite half-precision bits, as IEEE 754 defines it. */
  const valueOf = (bits: number): number => {
    const exponent = (bits >> 10) & 0x1f;
    const fraction = (bits & 0x3ff) / 1024;
    const magnitude = exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15);
    return bits & 0x8000 ? -magnitude : magnitude;
  };

  it("keeps every number that it has", () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      expect(halfPrecisionBits(valueOf(bits))).toBe(bits);
      expect(halfPrecisionBits(-valueOf(bits))).toBe(bits | 0x8000);
    }
  });

  it("rounds to the nearest, and ties to even", () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const middle = (valueOf(bits) + valueOf(bits + 1)) / 2;
      const unit = middle * 2 ** -20;
      expect(halfPrecisionBits(middle - unit)).toBe(bits);
      expect(halfPrecisionBits(middle)).toBe(bits % 2 === 0 ? bits : bits + 1);
      expect(halfPrecisionBits(middle + unit)).toBe(bits + 1);
    }
  });

  it("ends in infinity and in zero, and keeps NaN", () => {
    expect(halfPrecisionBits(65_519)).toBe(0x7bff);
    expect(halfPrecisionBits(65_520)).toBe(0x7c00);
    expect(halfPrecisionBits(-1e30)).toBe(0xfc00);
    expect(halfPrecisionBits(-Infinity)).toBe(0xfc00);
    expect(halfPrecisionBits(-(2 ** -26))).toBe(0x8000);
    expect(halfPrecisionBits(1e-40)).toBe(0);
    expect(halfPrecisionBits(NaN)).toBe(0x7e00);
  });
});

describe("bfloat16", () => {
  const valueOf = (bits: number): number => {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, bits << 16);
    return view.getFloat32(0);
  };

  it("rounds to the nearest, and ties to even", () => {
    for (let bits = 0x0080; bits < 0x7f7f; bits++) {
      const middle = (valueOf(bits) + valueOf(bits + 1)) / 2;
      const unit = middle * 2 ** -20;
      expect(brainFloatBits(valueOf(bits))).toBe(bits);
      expect(brainFloatBits(-valueOf(bits))).toBe(bits | 0x8000);
      expect(brainFloatBits(middle - unit)).toBe(bits);
      expect(brainFloatBits(middle)).toBe(bits % 2 === 0 ? bits : bits + 1);
      expect(brainFloatBits(middle + unit)).toBe(bits + 1);
    }
  });

  it("ends in infinity, and keeps NaN", () => {
    expect(brainFloatBits(3.4e38)).toBe(0x7f80);
    expect(brainFloatBits(-Infinity)).toBe(0xff80);
    expect(valueOf(brainFloatBits(NaN))).toBeNaN();
  });
});

describe("quantised blocks", () => {
  it("Q8_0: the largest magnitude is 127, ties away from zero", async () => {
    const bytes = await encode("Q8_0", block(127, -127, 0.5, -0.5, 1.5, 2.4), 34);
    expect(bytes).toEqual([...halfBytes(ONE), 127, 256 - 127, 1, 256 - 1, 2, 2, ...zeros(26)]);
  });

  it("Q8_0: the scale is rounded to half precision only after it was divided by", async () => {
    // 10 / 127 = 0.0787… = 1.25984… · 2⁻⁴: exponent 11, fraction 0.25984 · 1024 = 266.08
    const bytes = await encode("Q8_0", block(10, 5), 34);
    expect(bytes).toEqual([...halfBytes((11 << 10) | 266), 127, 64, ...zeros(30)]);
  });

  it("Q4_0: the largest magnitude is −8 whatever its sign, and values i and i + 16 share a byte", async () => {
    const values = block(-8, 7, 3.4, -3.6);
    values[16] = 1;
    values[31] = -1;
    // A half holds the value + 8; zero is 8, which makes 0x88 of two.
    expect(await encode("Q4_0", values, 18)).toEqual([
      ...halfBytes(ONE),
      0x90,
      0x8f,
      0x8b,
      0x84,
      ...new Array<number>(11).fill(0x88),
      0x78,
    ]);
    // With +8 the largest, the scale is −1: 8 becomes 0, and −8 would be 16, which is cut to 15.
    const flipped = await encode("Q4_0", block(8, -7.9, 2), 18);
    expect(flipped).toEqual([...halfBytes(0xbc00), 0x80, 0x8f, 0x86, ...new Array<number>(13).fill(0x88)]);
  });

  it("Q4_1: the minimum is 0 and the maximum 15", async () => {
    const values = block(-1, 14, 3.4, 3.6);
    values[16] = 5;
    expect(await encode("Q4_1", values, 20)).toEqual([
      ...halfBytes(ONE),
      ...halfBytes(0xbc00),
      0x60,
      0x1f,
      0x14,
      0x15,
      ...new Array<number>(12).fill(0x11),
    ]);
  });

  it("keeps a block of equal values", async () => {
    expect(await encode("Q8_0", block(), 34)).toEqual(zeros(34));
    // ggml divides by −8: the scale of zeros is −0.
    expect(await encode("Q4_0", block(), 18)).toEqual([0, 0x80, ...new Array<number>(16).fill(0x88)]);
    expect(await encode("Q4_1", new Float32Array(32).fill(2), 20)).toEqual([
      ...halfBytes(0),
      ...halfBytes(0x4000),
      ...zeros(16),
    ]);
  });

  it("writes one block after the other", async () => {
    const data = new Float32Array(64).fill(127);
    data.fill(-127, 32);
    expect(await encode("Q8_0", data, 68)).toEqual([
      ...halfBytes(ONE),
      ...new Array<number>(32).fill(127),
      ...halfBytes(ONE),
      ...new Array<number>(32).fill(256 - 127),
    ]);
  });
});
