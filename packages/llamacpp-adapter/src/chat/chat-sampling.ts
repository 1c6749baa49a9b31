import {
  LlamaGrammarEvaluationState,
  type LlamaChatSessionRepeatPenalty,
  type LlamaGrammar,
  type LlamaModel,
  type Token,
} from "node-llama-cpp";

import type { LlamaSampling } from "../sampling.js";

/** Sampling options of a chat: those of `LlamaChatSession.prompt()`, with its meaning and defaults. */
export type ChatSampling = Omit<LlamaSampling, "grammarEvaluationState" | "repeatPenalty"> & {
  /** What the answer must look like; it also may bring stop triggers of its own and ask for trailing white space to be cut. */
  readonly grammar?: LlamaGrammar | undefined;
  /** Penalty on what the answer has said already. Defaults to node-llama-cpp's: 1.1 on its last 64 tokens, line breaks spared; `false` for none. */
  readonly repeatPenalty?: false | LlamaChatSessionRepeatPenalty | undefined;
};

const PENALISED_TOKENS = 64;

/** The sampling of one answer. `answer` is read anew for each token. */
export function createSampling(
  model: LlamaModel,
  { grammar, repeatPenalty = {}, ...sampling }: ChatSampling,
  answer: readonly Token[],
): LlamaSampling {
  const penalty = repeatPenalty === false ? undefined : penalise(model, repeatPenalty, answer);
  return {
    ...sampling,
    ...(penalty && { repeatPenalty: penalty }),
    ...(grammar && { grammarEvaluationState: new LlamaGrammarEvaluationState({ model, grammar }) }),
  };
}

function penalise(
  { tokens: { nl } }: LlamaModel,
  {
    lastTokens = PENALISED_TOKENS,
    punishTokensFilter = (tokens) => tokens,
    penalizeNewLine = false,
    ...strengths
  }: LlamaChatSessionRepeatPenalty,
  answer: readonly Token[],
): LlamaSampling["repeatPenalty"] {
  if (lastTokens <= 0) return undefined;
  return {
    ...strengths,
    punishTokens: () =>
      punishTokensFilter(answer.slice(-lastTokens)).filter((token) => penalizeNewLine || token !== nl),
  };
}
