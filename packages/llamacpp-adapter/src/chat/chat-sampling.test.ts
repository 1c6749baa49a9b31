import type { LlamaModel, Token } from "node-llama-cpp";
import { expect, test } from "vitest";

import { createSampling, type ChatSampling } from "./chat-sampling.js";

const NEW_LINE = 7 as Token;
const model = { tokens: { nl: NEW_LINE } } as unknown as LlamaModel;

/** What would be punished after an answer of 100 tokens, one of the last ones a line break. */
function punished(options: ChatSampling): readonly Token[] | undefined {
  const answer: Token[] = [];
  const { repeatPenalty } = createSampling(model, options, answer);
  for (let token = 1000; token < 1099; token += 1) answer.push(token as Token);
  answer.push(NEW_LINE);
  const tokens = repeatPenalty?.punishTokens;
  return typeof tokens === "function" ? tokens() : tokens;
}

test("what an answer said last is punished, as node-llama-cpp does: 64 tokens, line breaks spared", () => {
  expect(punished({})).toEqual(Array.from({ length: 63 }, (_, index) => 1036 + index));
});

test.each<[ChatSampling, number[] | undefined]>([
  [{ repeatPenalty: false }, undefined],
  [{ repeatPenalty: { lastTokens: 0 } }, undefined],
  [{ repeatPenalty: { lastTokens: 3 } }, [1097, 1098]],
  [{ repeatPenalty: { lastTokens: 3, penalizeNewLine: true } }, [1097, 1098, NEW_LINE]],
  [{ repeatPenalty: { punishTokensFilter: (tokens) => tokens.slice(-2) } }, [1098]],
])("%o", (options, expected) => {
  expect(punished(options)).toEqual(expected);
});

test("strengths and the other options go through", () => {
  const sampling = createSampling(model, { temperature: 0.7, seed: 3, repeatPenalty: { penalty: 1.3 } }, []);
  expect(sampling).toMatchObject({ temperature: 0.7, seed: 3, repeatPenalty: { penalty: 1.3 } });
});
