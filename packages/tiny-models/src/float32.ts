import { align, GgufError, readHeader, type TensorInfo } from "./gguf.js";

const F32 = 0;
const F16 = 1;
const ALL_F32 = 0;

/**
 * Rewrites a model with all its tensors in F32, so that an engine computes without rounding weights or activations to
 * 16 bits. Every F16 number is an F32 number, so the model stays the same.
 *
 * @param gguf - A GGUF file of version 3 whose tensors are F32 or F16. It is left as it is.
 * @returns A new GGUF file: the same metadata (`general.file_type` aside), names, shapes and order.
 * @throws {GgufError} When the bytes are no such file; its `code` says why.
 */
export function toFloat32(gguf: Uint8Array): Uint8Array {
  const header = readHeader(gguf);
  const source = new DataView(gguf.buffer, gguf.byteOffset, gguf.byteLength);
  for (const tensor of header.tensors) checkTensor(tensor, gguf.byteLength - header.dataStart);

  // The header keeps its length: types and offsets are numbers of a fixed size, and nothing else in it changes.
  const offsets: number[] = [];
  let dataLength = 0;
  for (const { elements } of header.tensors) {
    offsets.push(dataLength);
    dataLength = align(dataLength + elements * 4, header.alignment);
  }
  const result = new Uint8Array(header.dataStart + dataLength);
  result.set(gguf.subarray(0, header.dataStart));
  const target = new DataView(result.buffer);

  if (header.fileTypeField !== undefined) target.setUint32(header.fileTypeField, ALL_F32, true);
  const singles = halfPrecisionTable();
  for (const [index, tensor] of header.tensors.entries()) {
    const offset = offsets[index] ?? 0;
    target.setUint32(tensor.typeField, F32, true);
    target.setBigUint64(tensor.offsetField, BigInt(offset), true);
    const from = header.dataStart + tensor.offset;
    const to = header.dataStart + offset;
    if (tensor.type === F32) {
      result.set(gguf.subarray(from, from + tensor.elements * 4), to);
    } else {
      for (let element = 0; element < tensor.elements; element++) {
        target.setFloat32(to + element * 4, singles[source.getUint16(from + element * 2, true)] ?? 0, true);
      }
    }
  }
  return result;
}

function checkTensor({ name, type, elements, offset }: TensorInfo, dataLength: number): void {
  if (type !== F32 && type !== F16) {
    throw new GgufError(
      "unsupported-tensor-type",
      `${name} is stored as ggml type ${type}; only F32 and F16 can be read.`,
    );
  }
  const size = elements * (type === F32 ? 4 : 2);
  if (offset + size > dataLength) {
    throw new GgufError("malformed", `${name} reaches beyond the end of the file.`);
  }
}

/** The value of each of the 65,536 half-precision numbers, by its bits. */
function halfPrecisionTable(): Float32Array {
  return Float32Array.from({ length: 65_536 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = (bits & 0x3ff) / 1024;
    if (exponent === 0) return sign * fraction * 2 ** -14;
    if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
    return sign * (1 + fraction) * 2 ** (exponent - 15);
  });
}
