import type { Capability } from "@kvpolicy/core";
import { GgmlType, type LlamaModel } from "node-llama-cpp";

import type { CacheType } from "../cache-types.js";
import type { NativeSequence } from "../native-sequence.js";
import { explainObstacle } from "./reindex-gate.js";
import { isTestable, runShiftSelfTest, type ShiftSelfTest } from "./shift-self-test.js";

/** What was measured, by loaded model and type of the cached keys. A disposed model takes its results along. */
const results = new WeakMap<LlamaModel, Map<CacheType, Promise<ShiftSelfTest>>>();

const FLOAT_TYPES: ReadonlySet<GgmlType> = new Set([GgmlType.F32, GgmlType.F16, GgmlType.BF16, GgmlType.F64]);

/**
 * The self-test of a loaded model with keys of this type, run once on an empty sequence, in decodes of at most `batch` tokens, and remembered; undefined where it could not tell
 * good from broken. The metadata must have let the model through: what ends the process cannot be caught.
 */
export function testOnce(
  model: LlamaModel,
  keyType: CacheType,
  sequence: NativeSequence,
  batch: number,
): Promise<ShiftSelfTest> | undefined {
  if (!isTestable(keyType)) return undefined;
  const known = results.get(model) ?? new Map<CacheType, Promise<ShiftSelfTest>>();
  results.set(model, known);
  const running = known.get(keyType) ?? testModel(model, keyType, sequence, batch);
  known.set(keyType, running);
  // A failure of the engine is no result.
  running.catch(() => known.delete(keyType));
  return running;
}

/** What the self-test of a loaded model with keys of this type measured, if it ran. */
export function recallSelfTest(model: LlamaModel, keyType: CacheType): Promise<ShiftSelfTest> | undefined {
  return results.get(model)?.get(keyType);
}

/** Whether keys can be moved, as the self-test says. */
export function judgeSelfTest(model: LlamaModel, { passed, ...measured }: ShiftSelfTest): Capability {
  return passed || explainObstacle(model.fileInfo.metadata.general.architecture, failedSelfTest(measured));
}

/** A self-test that failed, as an obstacle. */
export function failedSelfTest({ error, noise, threshold, largestNoise }: Omit<ShiftSelfTest, "passed">): {
  readonly rule: string;
  readonly reason: string;
} {
  const measured =
    error <= threshold
      ? `moving its keys there and back changes what it predicts by ${percent(noise)}, where rounding gives at most ${percent(largestNoise)}`
      : `moving its keys changes what it predicts by ${percent(error)}, where a model whose keys llama.cpp moves well stays below ${percent(threshold)}`;
  return { rule: "self-test", reason: `${measured} (self-test)` };
}

function testModel(
  model: LlamaModel,
  keyType: CacheType,
  sequence: NativeSequence,
  batch: number,
): Promise<ShiftSelfTest> {
  const { metadata, fullTensorInfo = [] } = model.fileInfo;
  return runShiftSelfTest(sequence, {
    keyType,
    batch,
    quantisedWeights: fullTensorInfo.some(({ ggmlType }) => !FLOAT_TYPES.has(ggmlType)),
    vocabularySize: metadata.tokenizer.ggml.tokens.length,
    trainedLength: model.trainContextSize,
  });
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}
