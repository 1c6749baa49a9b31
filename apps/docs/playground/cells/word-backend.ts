import { FakeBackend, type FakeBackendOptions } from "@kvpolicy/core/testing";

import type { TokenizedText } from "./tokenize.js";

/** How much a character adds to the surprise of a word, in nats. */
const NATS_A_CHARACTER = 0.1;

/**
 * A backend without a model whose likelihoods can be followed by eye: a word is the more surprising the rarer it is in the text, and
 * the longer. Everything else, the checks of its cells above all, is the fake backend's.
 */
export class WordBackend extends FakeBackend {
  readonly #nlls: Float64Array;

  constructor(text: TokenizedText, options: FakeBackendOptions) {
    super({ ...options, vocabularySize: text.vocabulary.length });
    this.#nlls = wordSurprises(text);
  }

  override async decode(
    tokens: Uint32Array,
    options?: { readonly scoreFrom: number },
  ): Promise<Float64Array | undefined> {
    await super.decode(tokens, options);
    return options && Float64Array.from(tokens.subarray(options.scoreFrom), (token) => this.#nllOf(token));
  }

  override async nll(target: number): Promise<number> {
    await super.nll(target);
    return this.#nllOf(target);
  }

  #nllOf(token: number): number {
    return this.#nlls[token] ?? NaN;
  }
}

/** Negative log-likelihoods by token id. */
function wordSurprises({ ids, vocabulary }: TokenizedText): Float64Array {
  const counts = new Float64Array(vocabulary.length);
  for (const id of ids) counts[id] = (counts[id] ?? 0) + 1;
  return counts.map(
    (count, id) => Math.log(ids.length / count) + NATS_A_CHARACTER * (vocabulary[id]?.length ?? 0),
  );
}
