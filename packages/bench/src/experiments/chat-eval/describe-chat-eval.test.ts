import { describe, expect, it } from "vitest";

import { chatFailure, fakeChatContender, type FakeChatOptions } from "../../testing/fake-chat-contender.js";
import { FakeClock } from "../../testing/fake-contender.js";
import { fakeModel } from "../../testing/fake-model.js";
import { fakeSurroundings } from "../../testing/fake-surroundings.js";
import { describeChatEval } from "./describe-chat-eval.js";
import { measureChatEval, type ChatEvalOptions } from "./measure-chat-eval.js";

async function describeFakes(
  contenders: readonly FakeChatOptions[],
  options: Partial<ChatEvalOptions> = {},
): Promise<ReturnType<typeof describeChatEval>> {
  const results = await measureChatEval({
    model: fakeModel({ trainedLength: 128 }),
    surroundings: fakeSurroundings(),
    clock: clock.tell,
    contenders: contenders.map((contender) => fakeChatContender(contender)),
    questions: {
      name: "questions",
      sha256: "c".repeat(64),
      questions: [{ id: 1, category: "a", turns: ["one"] }],
    },
    budget: 100,
    maxTokens: 5,
    turns: 60,
    ...options,
  });
  return describeChatEval(results);
}

const clock = new FakeClock();
const ours = { name: "ours", clock };
const session = { name: "session", clock, evaluatesAgain: true };

describe("describeChatEval", () => {
  it("says how many times longer, with the interval", async () => {
    const { verdicts, limits, lead } = await describeFakes([ours, session], { turns: 400 });
    expect(verdicts[0]).toMatch(
      /^The time to first token of session is \d\.\d\d \[\d\.\d\d … \d\.\d\d\] times that of ours over 394 turns once the cache is full\.$/,
    );
    expect(verdicts[1]).toMatch(/^The longest wait for text in a turn of session is /);
    expect(verdicts[2]).toMatch(/^The time that session takes for a whole turn is /);
    expect(verdicts[3]).toMatch(/^The number of tokens that session evaluates in a turn is 2\.00 /);
    expect(verdicts.slice(4)).toEqual([
      "With ours the model saw a part of an exchange without the rest after 118 of 400 turns.",
      "With session the model saw a part of an exchange without the rest after 118 of 400 turns.",
    ]);
    expect(lead).toContain("400 questions (questions)");
    expect(limits.join(" ")).toMatch(/model\.gguf.+A processor/);
  });

  it("shows no difference between a conversation and itself", async () => {
    const { verdicts, notes } = await describeFakes([ours, { ...ours, name: "again" }]);
    expect(verdicts.slice(0, 4).every((verdict) => verdict.startsWith("No difference is shown: the "))).toBe(
      true,
    );
    expect(notes).toEqual(["All answers were the same in all conversations."]);
  });

  it("says when there is too little to say", async () => {
    expect((await describeFakes([ours, session], { turns: 10 })).verdicts[0]).toMatch(
      /over 4 turns once the cache is full, which are too few for an interval\.$/,
    );
    expect((await describeFakes([ours, session], { turns: 5 })).verdicts).toEqual([
      "Nothing can be said of a full cache: there is no turn in which both session and ours had let something leave.",
    ]);
  });

  it("notes what failed, what was stopped, and what is not as it was asked for", async () => {
    const { notes } = await describeFakes([
      { ...ours, warning: "Careful.", answer: (turn) => [`${turn % 55}`] },
      { ...session, cells: 128, failure: { turn: 3, error: chatFailure() } },
      { name: "third", clock, failure: { turn: -1, error: chatFailure("No memory.") } },
    ]);
    expect(notes).toEqual([
      "5 of 60 answers of ours repeat an earlier one word for word.",
      "ours: Careful.",
      "session stopped in turn 4 (backend-failed): It does not fit.",
      "session may use 128 cells instead of 100.",
      "third could not begin (backend-failed): No memory.",
      "The answers of the conversations are not the same from turn 1 on.",
    ]);
    const stopped = await describeFakes([ours], { signal: AbortSignal.abort() });
    expect(stopped.notes).toEqual(["Stopped before its end: ours had 0 of 60 turns."]);
    expect(stopped.verdicts).toEqual([]);
  });

  it("draws each turn, and marks where the cache is full", async () => {
    const { charts } = await describeFakes([
      ours,
      { ...session, answer: (turn) => (turn === 1 ? [] : ["yes"]) },
    ]);
    const [first, evaluated] = charts;
    expect(first?.y.scale).toBe("log");
    expect(first?.series.map(({ name, points }) => [name, points.length])).toEqual([
      ["ours", 60],
      ["session", 59],
    ]);
    expect(evaluated?.series[0]?.points[0]).toEqual({ x: 1, y: 15 });
    expect(first?.rules).toEqual([
      { axis: "x", at: 7, label: "ours: cache full" },
      { axis: "x", at: 10, label: "session: cache full" },
    ]);
  });

  it("has tables whose rows are as long as their columns, with dashes for what is not there", async () => {
    const { tables } = await describeFakes([
      ours,
      { ...session, failure: { turn: 0, error: chatFailure() } },
    ]);
    for (const { columns, rows } of tables) for (const row of rows) expect(row).toHaveLength(columns.length);
    expect(tables.map(({ rows }) => rows.map(([name]) => name))).toEqual([
      ["ours, before", "ours, cache full"],
      ["ours", "session"],
    ]);
    expect(tables[1]?.rows[1]?.slice(0, 4)).toEqual(["session", "0", "–", "–"]);
  });

  it("has columns of different titles, and definitions that are sentences", async () => {
    const { tables, definitions } = await describeFakes([ours, session], { turns: 400 });
    for (const { columns } of tables) expect(new Set(columns).size).toBe(columns.length);
    for (const { meaning } of definitions) expect(meaning).toMatch(/\.$/);
  });
});
