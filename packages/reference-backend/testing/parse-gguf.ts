import { gguf, GGMLQuantizationType, type GGUFTypedMetadata } from "@huggingface/gguf";

/** A tensor as the official parser sees it. */
export interface ParsedTensor {
  /** Its dimensions in ggml's order. */
  readonly shape: readonly number[];
  /** Name of its type. */
  readonly type: string;
  /** Its bytes, from where it starts to the end of the file. */
  readonly bytes: Uint8Array;
  /** Where it starts, in bytes from the start of the file. */
  readonly start: number;
}

/** A GGUF file as the official parser sees it. */
export interface ParsedGguf {
  /** Metadata with the types that the file states. */
  readonly typedMetadata: GGUFTypedMetadata;
  /** Metadata by key. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Tensors by name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, ParsedTensor>;
}

/** Reads a GGUF file with `@huggingface/gguf`, which shares no code with the writer. */
export async function parseGguf(file: Uint8Array): Promise<ParsedGguf> {
  const serve = (_: unknown, request?: RequestInit): Promise<Response> => {
    const [, start, end] = /bytes=(\d+)-(\d+)/.exec(new Headers(request?.headers).get("range") ?? "") ?? [];
    return Promise.resolve(new Response(file.slice(Number(start), Number(end) + 1), { status: 206 }));
  };
  const parsed = await gguf("https://localhost/model.gguf", { fetch: serve, typedMetadata: true });
  const tensors = parsed.tensorInfos.map(({ name, shape, dtype, offset }): [string, ParsedTensor] => {
    const start = Number(parsed.tensorDataOffset) + Number(offset);
    const type = GGMLQuantizationType[dtype];
    return [name, { shape: shape.map(Number), type, bytes: file.subarray(start), start }];
  });
  const { typedMetadata, metadata } = parsed;
  return { typedMetadata, metadata: { ...metadata }, tensors: new Map(tensors) };
}

/** The values of an F32 tensor. */
export function float32Values({ shape, type, bytes }: ParsedTensor): Float32Array {
  if (type !== "F32") throw new Error(`The tensor is ${type}.`);
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  return new Float32Array(bytes.slice(0, 4 * count).buffer);
}
