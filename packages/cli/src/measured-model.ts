import type { MeasuredModel } from "@kvpolicy/bench";
import { createTokenCodec, findTokens, openStream } from "@kvpolicy/llamacpp-adapter";
import type { LlamaModel } from "node-llama-cpp";

import type { CommonOptions } from "./common-options.js";

/** A loaded model as experiments see it: contexts with the types of keys and values and the threads of the command. */
export function createMeasuredModel(
  model: LlamaModel,
  { keys, values, threads }: Pick<CommonOptions, "keys" | "values" | "threads">,
): MeasuredModel {
  const codec = createTokenCodec(model);
  const found = new Map<unknown, readonly number[]>();
  return {
    bos: model.tokens.shouldPrependBosToken ? (model.tokens.bos ?? undefined) : undefined,
    trainedLength: model.trainContextSize,
    encode: (text) => Uint32Array.from(codec.encode(text)),
    findTokens: (isWanted) => {
      const tokens = found.get(isWanted) ?? findTokens(model, isWanted);
      found.set(isWanted, tokens);
      return tokens;
    },
    open: ({ policy, budget, bos, onWarning }) =>
      openStream(model, {
        policy,
        budget,
        ...(bos !== undefined && { bos }),
        keyType: keys,
        valueType: values,
        threads,
        onWarning: ({ message }) => onWarning?.(message),
      }),
  };
}
