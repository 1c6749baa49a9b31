import {
  checkCount,
  checkPolicy,
  createStream,
  KVPolicyError,
  type CacheStream,
  type KVCachePolicy,
} from "@kvpolicy/core";

import type { ReferenceModel } from "./model.js";
import { damagedModel } from "./model-settings.js";
import { ReferenceBackend } from "./reference-backend.js";
import type { ReferenceSampling } from "./sampling.js";
import { createTokenizer } from "./tokenizer.js";

/** Options of {@link openStream}. */
export interface OpenStreamOptions {
  /** Which tokens stay. */
  readonly policy: KVCachePolicy;
  /**
   * Most cells in use, the current token's included. Defaults to the policy's own budget, else to the length that the model
   * was trained on, or its sliding window if that is shorter. A sliding window of the model is the most.
   */
  readonly budget?: number | undefined;
  /** Whether the stream begins with a beginning-of-sequence token, marked `bos`. Defaults to what the model's metadata says. */
  readonly bos?: boolean | undefined;
  /** Whether `appendText` reads the text of special tokens as those tokens. Defaults to false: it is read as plain text. */
  readonly specialTokens?: boolean | undefined;
}

/**
 * Opens a stream on a loaded model, with the same options and defaults as the adapters of other engines.
 *
 * @example
 * ```ts
 * const model = await loadModel("model.gguf");
 * await using stream = openStream(model, { policy: sinkWindow(), budget: 256 });
 * await stream.appendText(book);
 * for await (const { text } of stream.generate({ maxTokens: 40, temperature: 0.7 })) process.stdout.write(text);
 * ```
 * @throws {KVPolicyError} `config` when there is no policy, options contradict each other, the budget is above the model's sliding
 * window, or the model has no beginning-of-sequence token to begin with, or another number of tokens than of embeddings;
 * `unsupported` when its vocabulary is of a kind that cannot be read.
 */
export function openStream(
  model: ReferenceModel,
  { policy, budget, bos, specialTokens = false }: OpenStreamOptions,
): CacheStream<ReferenceSampling> {
  checkPolicy("openStream", policy);
  const cells = budget ?? policy.budget;
  if (cells !== undefined) checkBudget(cells, model.slidingWindow);
  const codec = createTokenizer(model.metadata, { specialTokens });
  if (codec.vocabularySize !== model.vocabularySize) {
    throw damagedModel(
      `its vocabulary has ${codec.vocabularySize} tokens, and its embeddings ${model.vocabularySize}`,
      { tokens: codec.vocabularySize, embeddings: model.vocabularySize },
    );
  }
  if (bos === true && codec.bos === undefined) {
    throw new KVPolicyError({
      code: "config",
      message: "The model has no beginning-of-sequence token.",
      details: { option: "bos", value: bos },
    });
  }
  return createStream<ReferenceSampling>({
    backend: new ReferenceBackend(model, { capacity: cells }),
    policy,
    budget,
    bos: (bos ?? codec.addsBos) ? codec.bos : undefined,
    codec,
  });
}

function checkBudget(budget: number, slidingWindow = Infinity): void {
  checkCount("openStream", "budget", budget, 1);
  if (budget <= slidingWindow) return;
  throw new KVPolicyError({
    code: "config",
    message: `openStream: a budget of ${budget} cells is above the ${slidingWindow} that all layers of the model see.`,
    details: { option: "budget", value: budget },
  });
}
