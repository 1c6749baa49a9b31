import { KVPolicyError } from "@kvpolicy/core";
import { describe, expect, it } from "vitest";

import { chatFailure, fakeChatContender, type FakeChatOptions } from "../../testing/fake-chat-contender.js";
import { FakeClock } from "../../testing/fake-contender.js";
import { fakeModel } from "../../testing/fake-model.js";
import { fakeSurroundings } from "../../testing/fake-surroundings.js";
import type { ExperimentProgress } from "../experiment.js";
import { measureChatEval, type ChatEvalOptions } from "./measure-chat-eval.js";
import { chatEvalResultsSchema } from "./chat-eval-results.js";

const QUESTIONS = {
  name: "two questions",
  sha256: "c".repeat(64),
  questions: [
    { id: 1, category: "a", turns: ["one", "two"] },
    { id: 2, category: "b", turns: ["three"] },
  ],
};

function measure(
  contenders: readonly Partial<FakeChatOptions>[],
  options: Partial<ChatEvalOptions> = {},
): ReturnType<typeof measureChatEval> {
  const clock = new FakeClock();
  return measureChatEval({
    model: fakeModel({ trainedLength: 128 }),
    surroundings: fakeSurroundings(),
    clock: clock.tell,
    contenders: contenders.map((contender, index) =>
      fakeChatContender({ name: `chat ${index}`, clock, ...contender }),
    ),
    questions: QUESTIONS,
    budget: 100,
    maxTokens: 5,
    ...options,
  });
}

describe("measureChatEval", () => {
  it("times each turn, and takes apart what came before the cache was full and after", async () => {
    const results = await measure([{}, { evaluatesAgain: true }], { turns: 20 });
    expect(chatEvalResultsSchema.parse(JSON.parse(JSON.stringify(results)))).toEqual(results);
    const [ours, session] = results.contenders;
    // 10 tokens of a message, then 5 of the answer; the first text comes before its token is evaluated.
    expect(ours?.turns[0]).toEqual({
      promptTokens: 10,
      answerTokens: 5,
      evaluatedTokens: 15,
      evictions: 0,
      cutExchanges: 0,
      firstTokenMilliseconds: 10,
      longestWaitMilliseconds: 10,
      milliseconds: 15,
      end: "maxTokens",
    });
    // 100 cells are full with the tenth token of the seventh turn. The eleventh comes before any text has.
    expect(ours?.firstEvictionTurn).toBe(7);
    expect(ours?.before?.turns).toBe(5);
    expect(ours?.full?.turns).toBe(14);
    expect(ours?.full?.firstTokenMilliseconds).toMatchObject({ mean: { value: 10 }, p50: 10, p95: 10 });
    expect(ours?.full?.evaluatedTokens).toEqual({ mean: 15, max: 15 });
    expect(ours?.full?.addedTokens).toEqual({ mean: 15 });
    expect(ours?.ratio).toBeNull();

    // 285 tokens after the first 15: every 50 of those beyond 100 cells make 50 others be evaluated again.
    expect(session?.evictions).toBe(4);
    expect(session?.cutTurns).toBe(4);
    expect(session?.turns[6]).toMatchObject({
      evictions: 1,
      evaluatedTokens: 65,
      firstTokenMilliseconds: 10,
      longestWaitMilliseconds: 51,
      milliseconds: 65,
    });
    const { before, full } = session?.ratio ?? {};
    expect(before).toMatchObject({
      turns: 5,
      firstTokenMilliseconds: { value: 1 },
      evaluatedTokens: { value: 1 },
    });
    expect(full?.turns).toBe(14);
    expect(full?.evaluatedTokens?.value).toBeCloseTo((14 * 15 + 4 * 50) / (14 * 15), 10);
    expect(full?.milliseconds?.value).toBeCloseTo((14 * 15 + 4 * 50) / (14 * 15), 10);
    expect(session?.full?.longestWaitMilliseconds.p95).toBeGreaterThan(50);
  });

  it("finds nothing between a conversation and itself", async () => {
    const tokenMilliseconds = (turn: number): number => 1 + ((turn * 7) % 5);
    const { contenders, firstDifferentTurn } = await measure(
      [
        { evaluatesAgain: true, tokenMilliseconds },
        { evaluatesAgain: true, tokenMilliseconds },
      ],
      { turns: 40 },
    );
    const same = { value: 1, interval: { lower: 1, upper: 1 } };
    expect(contenders[1]?.ratio?.full).toEqual({
      turns: 34,
      firstTokenMilliseconds: same,
      longestWaitMilliseconds: same,
      milliseconds: same,
      evaluatedTokens: same,
    });
    expect(firstDifferentTurn).toBeNull();
  });

  it("begins ratios where the later one is full", async () => {
    const { contenders } = await measure([{ cells: 30 }, { cells: 60 }], { turns: 10 });
    expect(contenders.map(({ firstEvictionTurn }) => firstEvictionTurn)).toEqual([3, 5]);
    expect(contenders.map(({ before, full }) => [before?.turns, full?.turns])).toEqual([
      [1, 8],
      [3, 6],
    ]);
    expect(contenders[1]?.ratio).toMatchObject({
      reference: "chat 0",
      before: { turns: 1 },
      full: { turns: 6 },
    });
  });

  it("asks all turns in order, again when more are wanted, and lets another begin each time", async () => {
    const calls: string[] = [];
    const onCall = (call: string): void => void calls.push(call);
    const results = await measure([{ onCall }, { onCall }], { turns: 4 });
    expect(calls).toEqual([
      ...["chat 0: one", "chat 1: one", "chat 1: two", "chat 0: two"],
      ...["chat 0: three", "chat 1: three", "chat 1: one", "chat 0: one"],
      ...["chat 0 disposed", "chat 1 disposed"],
    ]);
    expect(results.settings).toMatchObject({ turns: 4, questions: { count: 2 } });
    expect((await measure([{}])).settings.turns).toBe(3);
  });

  it("keeps a failure in its row, and the others go on", async () => {
    const calls: string[] = [];
    const results = await measure(
      [
        {},
        { failure: { turn: 1, error: chatFailure() }, onCall: (call) => void calls.push(call) },
        { failure: { turn: -1, error: chatFailure("No memory.") } },
      ],
      { turns: 9 },
    );
    const [good, bad, unopened] = results.contenders;
    expect(results.partial).toBe(false);
    expect(good).toMatchObject({ status: "complete", error: null });
    expect(good?.turns).toHaveLength(9);
    expect(bad).toMatchObject({
      status: "failed",
      error: { turn: 2, code: "backend-failed", message: "It does not fit." },
      ratio: { full: null },
    });
    expect(bad?.turns).toHaveLength(1);
    expect(calls).toEqual(["chat 1: one", "chat 1: two", "chat 1 disposed"]);
    expect(unopened).toMatchObject({
      status: "failed",
      error: { turn: 0, message: "No memory." },
      cells: null,
    });
  });

  it("passes a fault of the program on, and disposes all the same", async () => {
    const calls: string[] = [];
    const onCall = (call: string): void => void calls.push(call);
    const error = new TypeError("a fault");
    await expect(measure([{ failure: { turn: 0, error }, onCall }, { onCall }])).rejects.toBe(error);
    expect(calls.slice(-2)).toEqual(["chat 0 disposed", "chat 1 disposed"]);
  });

  it("disposes all when one cannot be", async () => {
    const calls: string[] = [];
    const onCall = (call: string): void => {
      calls.push(call);
      if (call === "chat 0 disposed") throw new Error("stuck");
    };
    await expect(measure([{ onCall }, { onCall }])).rejects.toThrow("stuck");
    expect(calls.slice(-2)).toEqual(["chat 0 disposed", "chat 1 disposed"]);
  });

  it("does not take a failure for the stop that came before it", async () => {
    const stopIn = (error: Error, reason: Error): ReturnType<typeof measure> => {
      const controller = new AbortController();
      const onCall = (): void => {
        controller.abort(reason);
      };
      return measure([{ failure: { turn: 0, error }, onCall }], { signal: controller.signal });
    };
    const reason = new Error("enough");
    const wrapped = new KVPolicyError({
      code: "backend-failed",
      message: "The prompt failed.",
      details: { operation: "prompt", appended: 0 },
      cause: reason,
    });
    const fault = new TypeError("a fault");
    await expect(stopIn(fault, reason)).rejects.toBe(fault);
    expect((await stopIn(chatFailure(), reason)).contenders[0]).toMatchObject({ status: "failed" });
    for (const stop of [reason, wrapped])
      expect((await stopIn(stop, reason)).contenders[0]).toMatchObject({ status: "partial", error: null });
  });

  it("keeps what was measured when it is stopped within an answer", async () => {
    const controller = new AbortController();
    const calls: string[] = [];
    let [pieces, disposed] = [0, 0];
    const results = await measure(
      [{}, {}].map(() => ({
        onCall: (call: string) => (call.endsWith("disposed") ? (disposed += 1) : calls.push(call)),
      })),
      {
        signal: controller.signal,
        turns: 20,
        onProgress: () => {
          pieces += 1;
          if (calls.length === 5) controller.abort();
        },
      },
    );
    expect(pieces).toBeGreaterThan(20);
    expect(results.partial).toBe(true);
    expect(results.contenders.map(({ status, turns, error }) => [status, turns.length, error])).toEqual([
      ["partial", 2, null],
      ["partial", 2, null],
    ]);
    expect(disposed).toBe(2);
    expect(calls).toHaveLength(5);
  });

  it("measures nothing when it is stopped before it begins", async () => {
    const results = await measure([{}, {}], { signal: AbortSignal.abort() });
    expect(results.partial).toBe(true);
    expect(results.contenders.map(({ turns, cells }) => [turns.length, cells])).toEqual([
      [0, null],
      [0, null],
    ]);
  });

  it("tells how far it is, up to the end", async () => {
    const told: ExperimentProgress[] = [];
    await measure([{}, { failure: { turn: 1, error: chatFailure() } }], {
      onProgress: (progress) => told.push(progress),
    });
    expect(told[0]).toEqual({ what: "turn 1 of 3, chat 0", done: 0, total: 6 });
    expect(told.every(({ done }, index) => done >= (told[index - 1]?.done ?? 0))).toBe(true);
    expect(told.at(-1)).toEqual({ what: "turn 3 of 3, chat 0", done: 4, total: 4 });
  });

  it("names the first turn whose answers differ, and counts answers that come again", async () => {
    const answer = (turn: number): string[] => ["same", turn === 2 ? " not" : ""];
    const { firstDifferentTurn, contenders } = await measure([{ answer: () => ["same"] }, { answer }]);
    expect(firstDifferentTurn).toBe(3);
    expect(contenders.map(({ repeatedAnswers }) => repeatedAnswers)).toEqual([2, 1]);
    expect((await measure([{}])).firstDifferentTurn).toBeNull();
  });

  it("has no time to first token for an answer without text", async () => {
    const { contenders } = await measure([{ answer: () => [] }, {}], { turns: 20, questions: QUESTIONS });
    expect(contenders[0]?.turns[0]).toMatchObject({ firstTokenMilliseconds: null, milliseconds: 10 });
    expect(contenders[0]?.full?.firstTokenMilliseconds).toBeNull();
    expect(contenders[1]?.ratio?.full).toMatchObject({
      firstTokenMilliseconds: null,
      milliseconds: { value: 1.5 },
    });
  });

  it.each([
    [{ budget: 0 }, "config"],
    [{ budget: 129 }, "config"],
    [{ turns: 0 }, "config"],
    [{ maxTokens: 0 }, "config"],
    [{ contenders: [] }, "config"],
    [{ questions: { ...QUESTIONS, questions: [] } }, "empty"],
  ])("refuses %o before anything is opened", async (options, code) => {
    const calls: string[] = [];
    await expect(measure([{ onCall: (call) => void calls.push(call) }], options)).rejects.toMatchObject({
      code,
    });
    expect(calls).toEqual([]);
  });

  it("refuses two of one name", async () => {
    await expect(measure([{ name: "a" }, { name: "a" }])).rejects.toMatchObject({ code: "config" });
  });
});
