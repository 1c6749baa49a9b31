import { KVPolicyError } from "@kvpolicy/core";
import type { ChatContender, MeasuredAnswer } from "@kvpolicy/bench";
import { afterAll, beforeAll, describe, expect, test, type TestContext } from "vitest";

import { loadModel, type LoadedModel } from "../load-model.js";
import { parsePolicySpec } from "../policy-spec.js";
import { createPolicyChat, createSession, type ChatContenderOptions } from "./chat-contenders.js";

const path = process.env["KVPOLICY_MODEL"];
const BUDGET = 256;
const QUESTIONS = [
  "What grows in a garden by the sea, and what does not?",
  "Which of these would you plant first in spring?",
  "How often do I have to water it when the summer is dry?",
  "What can I do with more of it than I can eat?",
  "How do I keep the seeds for another year?",
  "Thank you. What should I ask you next?",
];

let loaded: LoadedModel | undefined;

beforeAll(async () => {
  if (path !== undefined)
    loaded = await loadModel(path, { quiet: true, signal: new AbortController().signal });
}, 60_000);

afterAll(async () => {
  await loaded?.[Symbol.asyncDispose]();
});

/** What both have in common, or the end of the test with a reason that the report names. */
function requireOptions({ skip }: TestContext): ChatContenderOptions {
  if (!loaded) return skip("set KVPOLICY_MODEL to the path of a chat model's GGUF file to run it");
  const systemPrompt = "You answer in one short sentence.";
  return { model: loaded.model, budget: BUDGET, systemPrompt, keys: "F16", values: "F16", threads: 1 };
}

interface Answer extends MeasuredAnswer {
  readonly pieces: number;
}

async function askAll(contender: ChatContender, questions = QUESTIONS): Promise<Answer[]> {
  const chat = await contender.open(() => undefined);
  const answers: Answer[] = [];
  try {
    for (const question of questions) {
      let pieces = 0;
      const onText = (): void => void (pieces += 1);
      answers.push({ ...(await chat.ask(question, { maxTokens: 24, onText })), pieces });
    }
    expect(chat.cells).toBe(BUDGET);
    expect(chat.contextBytes).toBeGreaterThan(0);
  } finally {
    await chat.dispose();
  }
  return answers;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

describe("two ways to hold a conversation that outgrows its cache", () => {
  test("count the same tokens until something leaves; then only one evaluates again", async (context) => {
    const options = requireOptions(context);
    const policy = await parsePolicySpec("pinned(turn-aligned(sink-window))", undefined, BUDGET);
    const ours = await askAll(createPolicyChat(policy, options));
    const session = await askAll(createSession(options));
    for (const { pieces, answerTokens } of [...ours, ...session]) {
      expect(pieces).toBeGreaterThan(0);
      expect(answerTokens).toBeLessThanOrEqual(24);
    }
    // The first turn of the session reads the system prompt.
    const tokensOf = ({ promptTokens, answerTokens, evaluatedTokens, answer }: Answer): unknown => [
      promptTokens,
      answerTokens,
      evaluatedTokens,
      answer,
    ];
    expect(session[1]?.evictions).toBe(0);
    expect(tokensOf(ours[1]!)).toEqual(tokensOf(session[1]!));

    const evaluated = [ours, session].map((answers) =>
      sum(
        answers.map(
          ({ evaluatedTokens, promptTokens, answerTokens }) => evaluatedTokens - promptTokens - answerTokens,
        ),
      ),
    );
    expect(sum(ours.map(({ evictions }) => evictions))).toBeGreaterThan(0);
    expect(sum(session.map(({ evictions }) => evictions))).toBeGreaterThan(0);
    // A turn's last token is evaluated in the next turn, or never.
    expect(Math.abs(evaluated[0]!)).toBeLessThanOrEqual(QUESTIONS.length);
    expect(evaluated[1]).toBeGreaterThan(BUDGET / 2);
    expect(ours.every(({ cutExchanges }) => cutExchanges === 0)).toBe(true);
    expect(session.some(({ cutExchanges }) => (cutExchanges ?? 0) > 0)).toBe(true);
  });

  test("fail with typed errors where the system prompt does not fit", async (context) => {
    const systemPrompt = Array.from({ length: 400 }, (_, index) => `word ${index}`).join(" ");
    const options = { ...requireOptions(context), systemPrompt };
    const policy = await parsePolicySpec("pinned(turn-aligned(sink-window))", undefined, BUDGET);
    const failures = [createPolicyChat(policy, options), createSession(options)].map((contender) =>
      askAll(contender).catch((error: unknown) => error),
    );
    expect(await failures[0]).toMatchObject({ code: "config" });
    const failure = await failures[1];
    expect(KVPolicyError.isInstance(failure, "backend-failed")).toBe(true);
    expect(String(failure)).toMatch(/context shift/);
  });

  test("give a control the budget that it draws from", async (context) => {
    const options = requireOptions(context);
    const control = await parsePolicySpec("pinned(random-anchor)", 8, BUDGET);
    const chat = await createPolicyChat(control, options).open(() => undefined);
    expect(chat.cells).toBe(BUDGET);
    await chat.dispose();
  });

  test("stop within an answer", async (context) => {
    const options = requireOptions(context);
    const policy = await parsePolicySpec("pinned(turn-aligned(sink-window))", undefined, BUDGET);
    for (const contender of [createPolicyChat(policy, options), createSession(options)]) {
      const controller = new AbortController();
      const chat = await contender.open(() => undefined);
      const asked = chat.ask("Tell me a very long story.", {
        maxTokens: 200,
        signal: controller.signal,
        onText: () => {
          controller.abort();
        },
      });
      await expect(asked).rejects.toBeDefined();
      await chat.dispose();
    }
  });
});
