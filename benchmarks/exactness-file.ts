/**
 * A model file as it is, weights quantised, llama.cpp against the reference backend: how far predictions lie apart without any
 * eviction, where only llama.cpp's arithmetic differs, and with evictions, where the cache would differ too if it were wrong.
 */
import { klDivergence, predictionError } from "@kvpolicy/conformance";
import { createStream, type CacheStream, type KVCacheBackend, type KVCachePolicy } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { openBackend } from "@kvpolicy/llamacpp-adapter";
import { loadModel, ReferenceBackend, type ReferenceModel } from "@kvpolicy/reference-backend";
import { sinkWindow } from "@kvpolicy/sink-window";
import type { LlamaModel } from "node-llama-cpp";

import { argument, loadNamedModel, readTokens, round, THREADS, writeResults } from "./shared.js";

const TOKENS = 768;
const BUDGET = 256;
/** A prediction is compared in full after each of this many tokens. */
const STEP = 16;
/** Token ids whose probabilities are compared, spread over the vocabulary; all of them would be 49,152 calls. */
const PROBES = 512;

interface Reading {
  readonly nlls: Float64Array;
  readonly predictions: readonly Float64Array[];
}

const path = argument(2) ?? process.env["KVPOLICY_MODEL"];
if (path === undefined) throw new Error("name a GGUF file, as the first argument or in KVPOLICY_MODEL");
await using loaded = await loadNamedModel(path);
const tokens = await readTokens(loaded.model, TOKENS);
const reference = await loadModel(path);
const figures = [
  { policy: "dense", ...(await compare(loaded.model, reference, dense(), TOKENS)) },
  {
    policy: "sink-window, 4 sinks, stride 16",
    ...(await compare(loaded.model, reference, sinkWindow({ sinks: 4, stride: 16 }), BUDGET)),
  },
];
await writeResults("exactness-file", loaded, { tokens: TOKENS, probes: PROBES, from: BUDGET, figures });

async function compare(
  native: LlamaModel,
  model: ReferenceModel,
  policy: KVCachePolicy,
  budget: number,
): Promise<object> {
  const backend = await openBackend(native, { capacity: budget, threads: THREADS });
  const actual = await read(backend, policy);
  await backend.dispose();
  const expected = await read(new ReferenceBackend(model, { capacity: budget }), policy);
  const pairs = actual.predictions.map(
    (prediction, index) => [prediction, expected.predictions[index]!] as const,
  );
  const errors = pairs.map(([one, other]) => predictionError(one, other)).sort((a, b) => a - b);
  const divergences = pairs.map(([one, other]) => klDivergence(one, other)).sort((a, b) => a - b);
  const differences = Array.from(
    actual.nlls.subarray(BUDGET),
    (nll, index) => nll - expected.nlls[BUDGET + index]!,
  );
  const middle = Math.floor(errors.length / 2);
  return {
    budget,
    comparisons: errors.length,
    medianError: round(errors[middle] ?? NaN),
    largestError: round(errors.at(-1) ?? NaN),
    medianDivergence: round(divergences[middle] ?? NaN),
    meanNllDifference: round(differences.reduce((sum, value) => sum + value, 0) / differences.length),
    meanAbsoluteNllDifference: round(
      differences.reduce((sum, value) => sum + Math.abs(value), 0) / differences.length,
    ),
  };
}

/** Likelihoods of all tokens, and from the budget on a full prediction now and then. */
async function read<Sampling>(backend: KVCacheBackend<Sampling>, policy: KVCachePolicy): Promise<Reading> {
  const stream: CacheStream<Sampling> = createStream({ backend, policy });
  const nlls = new Float64Array(TOKENS);
  const predictions: Float64Array[] = [];
  for (let start = 0; start < TOKENS; start += STEP) {
    nlls.set(await stream.score(tokens.subarray(start, start + STEP)), start);
    if (start >= BUDGET) predictions.push(await predict(backend));
  }
  return { nlls, predictions };
}

async function predict<Sampling>(backend: KVCacheBackend<Sampling>): Promise<Float64Array> {
  const values = new Float64Array(PROBES);
  const { vocabularySize } = backend.capabilities;
  for (let probe = 0; probe < PROBES; probe += 1) {
    values[probe] = -(await backend.nll(Math.floor((probe * vocabularySize) / PROBES)));
  }
  return values;
}
