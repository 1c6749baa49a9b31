/** The kinds of numbers that GGUF metadata tells apart. */
export type GgufNumberKind =
  "uint8" | "int8" | "uint16" | "int16" | "uint32" | "int32" | "uint64" | "int64" | "float32" | "float64";

/** A number of a kind. {@link uint32} and its siblings make it. */
export interface GgufNumber {
  /** How it is stored. */
  readonly kind: GgufNumberKind;
  /** The number; those of 64 bits may be a bigint. */
  readonly value: number | bigint;
}

/** An array of one kind. {@link stringArray} and its siblings make it. */
export type GgufArray =
  | { readonly kind: "string[]"; readonly values: readonly string[] }
  | { readonly kind: "boolean[]"; readonly values: readonly boolean[] }
  | { readonly kind: `${GgufNumberKind}[]`; readonly values: readonly (number | bigint)[] };

/** A value of GGUF metadata. Strings and booleans stand for themselves, numbers and arrays say their kind. */
export type GgufValue = string | boolean | GgufNumber | GgufArray;

/** An unsigned number of 32 bits: most of what a model counts. */
export function uint32(value: number): GgufNumber {
  return { kind: "uint32", value };
}

/** A signed number of 32 bits. */
export function int32(value: number): GgufNumber {
  return { kind: "int32", value };
}

/** An unsigned number of 64 bits. */
export function uint64(value: number | bigint): GgufNumber {
  return { kind: "uint64", value };
}

/** A number in single precision. */
export function float32(value: number): GgufNumber {
  return { kind: "float32", value };
}

/** An array of strings. */
export function stringArray(values: readonly string[]): GgufArray {
  return { kind: "string[]", values };
}

/** An array of booleans. */
export function booleanArray(values: readonly boolean[]): GgufArray {
  return { kind: "boolean[]", values };
}

/** An array of unsigned numbers of 32 bits. */
export function uint32Array(values: readonly number[]): GgufArray {
  return { kind: "uint32[]", values };
}

/** An array of signed numbers of 32 bits. */
export function int32Array(values: readonly number[]): GgufArray {
  return { kind: "int32[]", values };
}

/** An array of numbers in single precision. */
export function float32Array(values: readonly number[]): GgufArray {
  return { kind: "float32[]", values };
}
