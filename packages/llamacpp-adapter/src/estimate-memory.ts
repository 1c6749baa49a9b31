import { checkCount } from "@kvpolicy/core";
import { GgmlType, type LlamaModel } from "node-llama-cpp";

import { checkContextOptions, keysAndValuesBytes, planContext, type ContextOptions } from "./open-backend.js";

/** Options of {@link estimateMemory}: those that a stream's memory depends on. */
export interface EstimateMemoryOptions extends Omit<ContextOptions, "threads"> {
  /** Most cells in use, as in `openStream`. */
  readonly budget: number;
}

/** Bytes that a stream takes, beside the model, which all streams share. */
export interface MemoryEstimate {
  /** Keys and values of all cells; 0 where the model's metadata does not say. Part of the other two. */
  readonly keysAndValues: number;
  /** Memory of the machine. */
  readonly ram: number;
  /** Memory of the GPU. */
  readonly vram: number;
}

/**
 * What a stream would cost before it is opened: node-llama-cpp's own estimate for the context that the stream would get. A stream's
 * `contextBytes` is the same estimate once it is open.
 *
 * @example
 * ```ts
 * const { ram, vram } = await estimateMemory(model, { budget: 4096 });
 * const streams = Math.floor(Math.min(freeRam / ram, vram > 0 ? freeVram / vram : Infinity));
 * ```
 * @throws {KVPolicyError} `config` for options that cannot work, and when keys and values alone are more than the machine has;
 * `disposed` when the model was disposed.
 */
export async function estimateMemory(
  model: LlamaModel,
  { budget, ...options }: EstimateMemoryOptions,
): Promise<MemoryEstimate> {
  checkContextOptions("estimateMemory", model, options);
  checkCount("estimateMemory", "budget", budget, 1);
  const backendOptions = { ...options, capacity: budget };
  const name = { option: "budget", label: `A budget of ${budget} cells` };
  const { contextSize, batchSize, flashAttention } = await planContext(model, backendOptions, name);
  const { cpuRam, gpuVram } = await model.fileInsights.estimateContextResourceRequirementsV2({
    contextSize,
    batchSize,
    sequences: 1,
    flashAttention,
    modelGpuLayers: model.gpuLayers,
    kvCacheKeyType: GgmlType[options.keyType ?? "F16"],
    kvCacheValueType: GgmlType[options.valueType ?? "F16"],
  });
  return { keysAndValues: keysAndValuesBytes(model, backendOptions), ram: cpuRam, vram: gpuVram };
}
