import type { GgufFile } from "./gguf-file.js";
import type { Linear } from "./linear.js";
import { damagedModel, unsupportedModel } from "./model-settings.js";

/** Reads a file's tensors under the names and shapes that an architecture gives them, and knows which nobody asked for. */
export class ModelTensors {
  readonly #file: GgufFile;
  readonly #unread: Set<string>;

  constructor(file: GgufFile) {
    this.#file = file;
    this.#unread = new Set(file.tensors.keys());
  }

  /** Values of a tensor, which must be there and have this shape (ggml's order: the contiguous dimension first). */
  async take(name: string, shape: readonly number[]): Promise<Float32Array> {
    this.check(name, shape);
    this.#unread.delete(name);
    return this.#file.read(name);
  }

  /** Refuses a tensor that is missing or has another shape, before anything is sized by what the settings claim. */
  check(name: string, shape: readonly number[]): void {
    const tensor = this.#file.tensors.get(name);
    if (!tensor) {
      throw damagedModel(`the tensor ${name} is missing`, { tensor: name, expected: [...shape] });
    }
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, index) => size !== shape[index])) {
      throw damagedModel(
        `the tensor ${name} has the shape [${tensor.shape.join(", ")}] where its settings ask for [${shape.join(", ")}]`,
        { tensor: name, shape: [...tensor.shape], expected: [...shape] },
      );
    }
  }

  /** The same as `take`, if it is there. */
  async takeOptional(name: string, shape: readonly number[]): Promise<Float32Array | undefined> {
    return this.has(name) ? this.take(name, shape) : undefined;
  }

  /** The linear map `name`.weight, with `name`.bias if it is there and may be. */
  async takeLinear(name: string, inputs: number, outputs: number, mayHaveBiases = true): Promise<Linear> {
    const weights = await this.take(`${name}.weight`, [inputs, outputs]);
    const biases = mayHaveBiases ? await this.takeOptional(`${name}.bias`, [outputs]) : undefined;
    return { weights, biases, inputs, outputs };
  }

  /** Whether the file has a tensor. */
  has(name: string): boolean {
    return this.#file.tensors.has(name);
  }

  /** Number of rows of a matrix. */
  rows(name: string): number {
    const rows = this.#file.tensors.get(name)?.shape[1];
    if (rows !== undefined) return rows;
    throw damagedModel(`the tensor ${name} is missing, or is no matrix`, { tensor: name });
  }

  /** Refuses a file with a tensor that was not read: its model is more than what would be computed. */
  refuseUnread(architecture: string): void {
    const [name] = this.#unread;
    if (name === undefined) return;
    throw unsupportedModel(
      `tensor ${name}`,
      `this package knows no such part of the architecture ${architecture}, and leaving it out would change every prediction`,
    );
  }
}

/** Cuts a linear map into maps of `outputs` rows each, one after the other, which share its numbers. */
export function splitLinear({ weights, biases, inputs }: Linear, ...outputs: readonly number[]): Linear[] {
  let start = 0;
  return outputs.map((count) => {
    const end = start + count;
    const part = {
      weights: weights.subarray(start * inputs, end * inputs),
      biases: biases?.subarray(start, end),
      inputs,
      outputs: count,
    };
    start = end;
    return part;
  });
}
