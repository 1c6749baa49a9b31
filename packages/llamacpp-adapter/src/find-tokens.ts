import type { LlamaModel, Token } from "node-llama-cpp";

import { refuseDisposed } from "./refuse-disposed.js";

/**
 * The ids of all tokens whose text is wanted, ascending: for policies that go by what a token is, `separator` say. It looks at the whole
 * vocabulary, which takes some milliseconds for each 10,000 tokens. Special tokens have no text here; a token that is a part of
 * a character has a replacement character in its text.
 *
 * @throws {KVPolicyError} `disposed` when the model was disposed.
 * @example
 * ```ts
 * const policy = separator({ separatorTokens: findTokens(model, isSeparator) });
 * ```
 */
export function findTokens(model: LlamaModel, isWanted: (text: string) => boolean): number[] {
  refuseDisposed(model);
  const { length } = model.fileInfo.metadata.tokenizer.ggml.tokens;
  // At the beginning of a text the detokenizer of some vocabularies leaves a space out: have another token before.
  const before = model.tokenize("a").slice(0, 1);
  const found: number[] = [];
  for (let token = 0; token < length; token += 1) {
    if (isWanted(model.detokenize([token as Token], false, before))) found.push(token);
  }
  return found;
}
