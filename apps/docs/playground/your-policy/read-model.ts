import { KVPolicyError, type CacheStream, type KVCachePolicy, type StreamStats } from "@kvpolicy/core";
import { createTokenizer, loadModel, openStream, type ReferenceModel } from "@kvpolicy/reference-backend";

import type { ModelReading, ModelText } from "./examination.js";

/** A model with a text for it. */
export interface LoadedText {
  readonly model: ReferenceModel;
  /** The first tokens of the text. */
  readonly tokens: Uint32Array;
}

/** Most tokens between two words about the progress. */
const SLICE = 32;

const NOTHING_READ: StreamStats = {
  tokens: 0,
  cellsSeen: 0,
  peakCells: 0,
  evictions: 0,
  evictedTokens: 0,
  recomputedTokens: 0,
};

/** Loads a model, and the first tokens of a text. */
export async function loadText({ model: bytes, text }: ModelText, count: number): Promise<LoadedText> {
  const model = await loadModel(bytes);
  const tokens = createTokenizer(model.metadata).encode(text);
  return { model, tokens: Uint32Array.from(tokens).subarray(0, count) };
}

/** Reads the text with a policy. What the policy does wrong is in the answer, with what was read until then. */
export async function readModel(
  { model, tokens }: LoadedText,
  policy: KVCachePolicy,
  budget: number,
  onRead: (read: number) => void,
): Promise<ModelReading> {
  const nlls = new Float64Array(tokens.length).fill(NaN);
  let stream: CacheStream | undefined;
  let failure: string | undefined;
  let first = 0;
  try {
    stream = openStream(model, { policy, budget });
    first = stream.position;
    await score(stream, tokens, nlls, onRead);
  } catch (error) {
    if (!KVPolicyError.isInstance(error)) throw error;
    failure = error.message;
  }
  const stats = stream?.stats ?? NOTHING_READ;
  await stream?.dispose();
  const counted = nlls.subarray(Math.max(0, budget - first)).filter((nll) => !Number.isNaN(nll));
  return {
    policy: policy.name,
    tokens: counted.length,
    perplexity: Math.exp(counted.reduce((sum, nll) => sum + nll, 0) / counted.length),
    meanCells: stats.cellsSeen / stats.tokens,
    evaluationsPerToken: (stats.tokens + stats.recomputedTokens) / stats.tokens,
    failure,
  };
}

/** Slice by slice and step by step, so that it can be told how far it is; values of what was read before a failure stay. */
async function score(
  stream: CacheStream,
  tokens: Uint32Array,
  nlls: Float64Array,
  onRead: (read: number) => void,
): Promise<void> {
  for (let start = 0; start < tokens.length; start += SLICE) {
    const slice = tokens.subarray(start, start + SLICE);
    await stream.score(slice, {
      into: nlls.subarray(start, start + slice.length),
      onStep: (appended) => {
        onRead(start + appended);
      },
    });
  }
}
