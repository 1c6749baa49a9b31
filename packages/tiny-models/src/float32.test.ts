import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";

import { readHeader } from "./gguf.js";
import { tinyModels } from "./index.js";
import { GgufError, type GgufErrorCode, toFloat32 } from "./testing.js";

const F32 = 0;
const F16 = 1;
const Q8_0 = 8;

interface Tensor {
  readonly name: string;
  readonly type: number;
  readonly data: Uint8Array;
  readonly elements: number;
}

/** The bytes of half-precision numbers given by their bits. */
function halves(...bits: number[]): Uint8Array {
  return new Uint8Array(Uint16Array.from(bits).buffer);
}

/** Little-endian bytes of the numbers and strings that GGUF is made of. */
const unsigned32 = (value: number): number[] => [...new Uint8Array(Uint32Array.of(value).buffer)];
const unsigned64 = (value: number): number[] => [...new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)];
const string = (text: string): number[] => {
  const encoded = new TextEncoder().encode(text);
  return [...unsigned64(encoded.length), ...encoded];
};

/** Fills up with zeros to a multiple of the alignment. */
function padded(bytes: readonly number[], alignment: number): number[] {
  const length = Math.ceil(bytes.length / alignment) * alignment;
  return Array.from({ length }, (_, index) => bytes[index] ?? 0);
}

/** A GGUF file with metadata of several types, written independently of the reader. */
function gguf(tensors: readonly Tensor[], { alignment = 32, version = 3 } = {}): Uint8Array {
  const metadata = [
    [...string("general.name"), ...unsigned32(8), ...string("töst")],
    [...string("general.alignment"), ...unsigned32(4), ...unsigned32(alignment)],
    [...string("general.file_type"), ...unsigned32(4), ...unsigned32(1)],
    [...string("a.flag"), ...unsigned32(7), 1],
    [
      ...string("a.list"),
      ...unsigned32(9),
      ...unsigned32(8),
      ...unsigned64(2),
      ...string("one"),
      ...string("two"),
    ],
    [...string("a.float"), ...unsigned32(6), ...unsigned32(0x3f800000)],
  ];
  const data = tensors.map((tensor) => padded([...tensor.data], alignment));
  const infos = tensors.map(({ name, type, elements }, index) => {
    const offset = data.slice(0, index).flat().length;
    const shape = [...unsigned32(2), ...unsigned64(elements), ...unsigned64(1)];
    return [...string(name), ...shape, ...unsigned32(type), ...unsigned64(offset)];
  });
  const header = [
    ...new TextEncoder().encode("GGUF"),
    ...unsigned32(version),
    ...unsigned64(tensors.length),
    ...unsigned64(metadata.length),
    ...metadata.flat(),
    ...infos.flat(),
  ];
  return Uint8Array.from([...padded(header, alignment), ...data.flat()]);
}

/** The values of an F32 tensor. */
function values(file: Uint8Array, name: string): number[] {
  const { tensors, dataStart } = readHeader(file);
  const tensor = tensors.find((candidate) => candidate.name === name)!;
  expect(tensor.type).toBe(F32);
  const view = new DataView(file.buffer, file.byteOffset + dataStart + tensor.offset);
  return Array.from({ length: tensor.elements }, (_, index) => view.getFloat32(index * 4, true));
}

function codeOf(action: () => unknown): GgufErrorCode | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof GgufError) return error.code;
    throw error;
  }
  return undefined;
}

const half: Tensor = {
  name: "half",
  type: F16,
  elements: 12,
  // 0, -0, 1, -2, 0.5, the largest, the smallest normal, the smallest, the largest subnormal, 1 + 2^-10, -∞, 1/3
  data: halves(0, 0x8000, 0x3c00, 0xc000, 0x3800, 0x7bff, 0x0400, 0x0001, 0x03ff, 0x3c01, 0xfc00, 0x3555),
};
const single: Tensor = {
  name: "single",
  type: F32,
  elements: 3,
  data: new Uint8Array(Float32Array.of(1.5, -1e-30, 3e38).buffer),
};

describe("toFloat32", () => {
  it("keeps every number exactly", () => {
    const file = toFloat32(gguf([half, single]));
    const expected = [
      0,
      -0,
      1,
      -2,
      0.5,
      65_504,
      2 ** -14,
      2 ** -24,
      1023 * 2 ** -24,
      1 + 2 ** -10,
      -Infinity,
    ];
    expect(values(file, "half")).toStrictEqual([...expected, 1365 / 4096]);
    expect(values(file, "single")).toStrictEqual([...Float32Array.of(1.5, -1e-30, 3e38)]);
  });

  it.each([8, 32, 64])("aligns tensors to %i bytes, as the file asks", (alignment) => {
    const file = toFloat32(gguf([half, single, { ...half, name: "again" }], { alignment }));
    const { tensors, dataStart } = readHeader(file);
    expect(
      [dataStart, ...tensors.map(({ offset }) => offset)].filter((start) => start % alignment !== 0),
    ).toEqual([]);
    expect(file.byteLength % alignment).toBe(0);
    expect(values(file, "again")).toStrictEqual(values(file, "half"));
  });

  it("says in the metadata that all tensors are F32", () => {
    const file = toFloat32(gguf([half]));
    const field = readHeader(file).fileTypeField!;
    expect(new DataView(file.buffer).getUint32(field, true)).toBe(0);
  });

  it("changes nothing the second time, and never its input", () => {
    const input = gguf([half, single]);
    const copy = input.slice();
    const once = toFloat32(input);
    expect(input).toStrictEqual(copy);
    expect(toFloat32(once)).toStrictEqual(once);
  });

  it("reads a view into a larger buffer", () => {
    const file = gguf([half]);
    const buffer = new Uint8Array(file.length + 10);
    buffer.set(file, 5);
    expect(toFloat32(buffer.subarray(5, 5 + file.length))).toStrictEqual(toFloat32(file));
  });

  it("rewrites the model of this package", async () => {
    const file = toFloat32(await readFile(tinyModels.sink.url));
    const { tensors } = readHeader(file);
    expect(tensors.every(({ type }) => type === F32)).toBe(true);
    expect(values(file, "token_embd.weight")).toHaveLength(1024 * 128);
    expect(values(file, "token_embd.weight").every(Number.isFinite)).toBe(true);
  });

  it("refuses bytes that are no GGUF file", () => {
    expect(codeOf(() => toFloat32(new Uint8Array()))).toBe("not-gguf");
    expect(codeOf(() => toFloat32(new TextEncoder().encode("GGML, long ago")))).toBe("not-gguf");
  });

  it("refuses other versions", () => {
    expect(codeOf(() => toFloat32(gguf([half], { version: 2 })))).toBe("unsupported-version");
  });

  it("refuses other tensor types and names the tensor", () => {
    const quantised = gguf([half, { ...half, name: "quantised", type: Q8_0 }]);
    expect(codeOf(() => toFloat32(quantised))).toBe("unsupported-tensor-type");
    expect(() => toFloat32(quantised)).toThrow(/quantised/);
  });

  it("refuses a file that was cut off, wherever that happened", () => {
    const file = gguf([half, single]);
    const { dataStart } = readHeader(file);
    for (let length = 4; length < dataStart; length++) {
      expect(codeOf(() => toFloat32(file.subarray(0, length)))).toBe("malformed");
    }
    expect(codeOf(() => toFloat32(file.subarray(0, dataStart + 40)))).toBe("malformed");
  });
});
