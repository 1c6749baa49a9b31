import { join } from "node:path";

import { PINNED_MARK } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { pinned } from "@kvpolicy/pinned";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { turnAligned } from "@kvpolicy/turn-aligned";
import {
  ChatMLChatWrapper,
  GeneralChatWrapper,
  LlamaText,
  SpecialTokensText,
  TokenBias,
  type Llama,
  type LlamaGrammar,
  type LlamaModel,
  type Token,
} from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadChatModel } from "../../testing/chat-model.js";
import { createTemporaryFolder, loadLlama } from "../../testing/models.js";
import type { Chat, ChatEvictionEvent } from "./chat.js";
import { openChat, type OpenChatOptions } from "./open-chat.js";

const SYSTEM = "be a good boat";

let llama: Llama;
let model: LlamaModel;
let folder: Awaited<ReturnType<typeof createTemporaryFolder>>;

beforeAll(async () => {
  llama = await loadLlama();
  folder = await createTemporaryFolder();
  model = await loadChatModel(llama, folder.path);
});
afterAll(async () => {
  await llama.dispose();
  await folder.remove();
});

function open(options: Partial<OpenChatOptions> = {}): Promise<Chat> {
  return openChat(model, {
    policy: pinned(turnAligned(sinkWindow({ sinks: 0, stride: 8 }))),
    budget: 256,
    threads: 1,
    keyType: "F32",
    valueType: "F32",
    ...options,
  });
}

/** An answer that is known: nothing is left to the model. */
function say(chat: Chat, message: string, answer: string): Promise<string> {
  return chat.prompt(message, { responsePrefix: answer, maxTokens: 0 });
}

function cellsOf(chat: Chat): string {
  return model.detokenize([...chat.stream.cells().tokens] as Token[], true);
}

const turnOf = (message: string, answer: string): string =>
  `<|im_start|>user\n${message}<|im_end|>\n<|im_start|>assistant\n${answer}<|im_end|>\n`;

describe("a turn", () => {
  test("adds what is new to the cells, and nothing is read again", async () => {
    await using chat = await open({ systemPrompt: SYSTEM });
    await say(chat, "where is the boat", "in the harbour");
    await say(chat, "and the sea", "all around");
    const head = `<|begin_of_text|><|im_start|>system\n${SYSTEM}<|im_end|>\n`;
    const open_ = turnOf("and the sea", "all around").slice(0, -"<|im_end|>\n".length);
    expect(cellsOf(chat)).toBe(head + turnOf("where is the boat", "in the harbour") + open_);
    expect(chat.stream.stats).toMatchObject({ tokens: chat.stream.length, evictions: 0 });
  });

  test("counts what it cost", async () => {
    await using chat = await open({ systemPrompt: SYSTEM });
    const head = chat.stream.length;
    const first = await chat.promptWithMeta("one", { maxTokens: 5, grammar: await endless() });
    const { input, output } = first.usage;
    expect(first.usage).toEqual({ input, output, cached: head, evaluated: input + output - 1, evicted: 0 });
    const second = await chat.promptWithMeta("two", { maxTokens: 5, grammar: await endless() });
    // The last token of the first answer is evaluated with the second turn.
    expect(second.usage.cached).toBe(head + input + output - 1);
    expect(second.usage.evaluated).toBe(second.usage.input + second.usage.output);
    expect(chat.stream.position).toBe(head + input + output + second.usage.input + second.usage.output);
  });

  test("gives its text out piece by piece, and its tokens", async () => {
    await using chat = await open();
    const pieces: string[] = [];
    const tokens: Token[] = [];
    const { responseText, usage, stopReason } = await chat.promptWithMeta("one", {
      maxTokens: 12,
      onTextChunk: (text) => pieces.push(text),
      onToken: (some) => tokens.push(...some),
    });
    expect(pieces.join("")).toBe(responseText);
    expect(tokens).toHaveLength(usage.output);
    expect(stopReason).toBe(usage.output === 12 ? "maxTokens" : "eogToken");
  });

  test("waits for the turn before it", async () => {
    await using chat = await open();
    await Promise.all([say(chat, "one", "a"), say(chat, "two", "b"), say(chat, "three", "c")]);
    expect(cellsOf(chat)).toContain(turnOf("one", "a") + turnOf("two", "b") + "<|im_start|>user\nthree");
  });

  test("of an answer that never ends is cut at the budget, unless told otherwise", async () => {
    await using chat = await open({ budget: 64 });
    const { usage, stopReason } = await chat.promptWithMeta("one", {
      grammar: await endless(),
      temperature: 1,
      seed: 3,
    });
    expect({ output: usage.output, stopReason }).toEqual({ output: 64, stopReason: "maxTokens" });
    expect(usage.evicted).toBeGreaterThan(0);
  });

  test("takes a grammar", async () => {
    await using chat = await open();
    const grammar = await llama.createGrammar({ grammar: 'root ::= "yes" | "no"' });
    expect(await chat.prompt("is it", { grammar })).toMatch(/^(yes|no)$/);
    expect(await chat.prompt("and now", { grammar })).toMatch(/^(yes|no)$/);
  });
});

describe("what ends an answer", () => {
  test.each([
    ["one of the caller's triggers", ["harbour"], "customStopTrigger"],
    ["one that is a LlamaText", [LlamaText("harbour")], "customStopTrigger"],
  ] as const)("%s is left out of text and cells", async (_, customStopTriggers, stopReason) => {
    const grammar = await llama.createGrammar({ grammar: 'root ::= "in the harbour of the town"' });
    await using chat = await open();
    const reply = await chat.promptWithMeta("where", { grammar, customStopTriggers });
    expect(reply).toMatchObject({
      responseText: "in the ",
      stopReason,
      customStopTrigger: customStopTriggers[0],
    });
    await say(chat, "and", "there");
    expect(cellsOf(chat)).toContain(turnOf("where", "in the "));
  });

  test("the wrapper's end of turn, where the model does not take it for the end of its generation", async () => {
    class OwnEnd extends ChatMLChatWrapper {
      override generateContextState(
        options: Parameters<ChatMLChatWrapper["generateContextState"]>[0],
      ): ReturnType<ChatMLChatWrapper["generateContextState"]> {
        const stopGenerationTriggers = [LlamaText(new SpecialTokensText("<|im_start|>"))];
        return { ...super.generateContextState(options), stopGenerationTriggers };
      }
    }
    const tokenBias = TokenBias.for(model).set(model.tokenize("<|im_start|>", true), { logit: 100 });
    await using chat = await open({ chatWrapper: new OwnEnd() });
    const reply = await chat.promptWithMeta("one", { tokenBias, responsePrefix: "ab" });
    expect(reply).toMatchObject({ responseText: "ab", stopReason: "stopGenerationTrigger" });
  });

  test("a grammar's own triggers and its wish to be trimmed", async () => {
    await using chat = await open();
    const grammar = await llama.createGrammar({
      grammar: 'root ::= "one two " "END" "."',
      stopGenerationTriggers: ["END"],
      trimWhitespaceSuffix: true,
    });
    expect(await chat.promptWithMeta("count", { grammar })).toMatchObject({
      responseText: "one two",
      stopReason: "stopGenerationTrigger",
    });
  });
});

describe("an abort", () => {
  test("takes the turn back as if it had not been asked", async () => {
    await using chat = await open({ systemPrompt: SYSTEM });
    await say(chat, "one", "a");
    const [before, position] = [cellsOf(chat), chat.stream.position];
    const controller = new AbortController();
    const reason = new Error("enough");
    const asked = chat.prompt("two", {
      signal: controller.signal,
      grammar: await endless(),
      onToken: () => {
        controller.abort(reason);
      },
    });
    await expect(asked).rejects.toBe(reason);
    expect(chat.stream.position).toBe(position);
    expect(chat.getChatHistory()).toHaveLength(3);
    await say(chat, "three", "c");
    expect(cellsOf(chat).startsWith(before)).toBe(true);
    expect(cellsOf(chat)).toContain(turnOf("one", "a") + "<|im_start|>user\nthree");
    expect(cellsOf(chat)).not.toContain("two");
  });

  test("leaves what there is of the answer when that is wished for", async () => {
    await using chat = await open();
    const controller = new AbortController();
    let count = 0;
    const reply = await chat.promptWithMeta("two", {
      signal: controller.signal,
      stopOnAbortSignal: true,
      grammar: await endless(),
      onToken: () => {
        count += 1;
        if (count === 4) controller.abort();
      },
    });
    expect(reply).toMatchObject({ stopReason: "abort", usage: { output: 4 } });
    expect(chat.getChatHistory().at(-1)).toEqual({ type: "model", response: [reply.responseText] });
  });

  test("closes no answer that the turn has evicted", async () => {
    const controller = new AbortController();
    await using chat = await open({
      systemPrompt: SYSTEM,
      budget: 96,
      onEvict: () => {
        controller.abort();
      },
    });
    const head = cellsOf(chat);
    await say(chat, "one", "a");
    await expect(chat.prompt("long ".repeat(30), { signal: controller.signal })).rejects.toMatchObject({
      name: "AbortError",
    });
    expect(chat.getChatHistory()).toHaveLength(3);
    await say(chat, "two", "b");
    expect(cellsOf(chat)).toBe(`${head}<|im_start|>user\ntwo<|im_end|>\n<|im_start|>assistant\nb`);
  });

  test("of the first turn reads again what it has evicted of the beginning", async () => {
    const controller = new AbortController();
    await using chat = await open({
      budget: 64,
      onEvict: () => {
        controller.abort();
      },
    });
    await expect(chat.prompt("long ".repeat(40), { signal: controller.signal })).rejects.toMatchObject({
      name: "AbortError",
    });
    await say(chat, "one", "a");
    expect(cellsOf(chat)).toBe("<|begin_of_text|><|im_start|>user\none<|im_end|>\n<|im_start|>assistant\na");
  });

  test("of a second answer brings the first back", async () => {
    await using chat = await open();
    await say(chat, "one", "the first");
    const before = cellsOf(chat);
    await expect(chat.regenerate({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: "AbortError",
    });
    expect(cellsOf(chat)).toBe(before);
    const controller = new AbortController();
    let count = 0;
    const again = chat.regenerate({
      signal: controller.signal,
      grammar: await endless(),
      onToken: () => {
        count += 1;
        if (count === 5) controller.abort();
      },
    });
    await expect(again).rejects.toMatchObject({ name: "AbortError" });
    expect(cellsOf(chat)).toBe(before);
    expect(chat.getChatHistory().at(-1)).toEqual({ type: "model", response: ["the first"] });
  });

  test("before the answer began takes the turn back all the same", async () => {
    await using chat = await open();
    const options = { signal: AbortSignal.abort(), stopOnAbortSignal: true };
    await expect(chat.prompt("one", options)).rejects.toMatchObject({ name: "AbortError" });
    expect(chat.getChatHistory()).toEqual([]);
    expect(chat.stream.length).toBeLessThanOrEqual(1);
  });
});

describe("going back", () => {
  test("undo leaves the cells as the turn before did", async () => {
    await using chat = await open();
    await say(chat, "one", "a");
    const next = await nextTurnAfter(chat);
    await chat.undo();
    await say(chat, "two", "b");
    expect(await chat.undo()).toEqual({ exact: true });
    expect(await nextTurnAfter(chat)).toBe(next);
    expect(chat.getChatHistory()).toHaveLength(4);
  });

  test("undo of the first exchange begins anew", async () => {
    await using chat = await open({ systemPrompt: SYSTEM });
    const head = cellsOf(chat);
    await say(chat, "one", "a");
    const first = cellsOf(chat);
    await chat.undo();
    await say(chat, "one", "a");
    expect(cellsOf(chat)).toBe(first);
    expect(first.startsWith(head)).toBe(true);
  });

  test("regenerate answers the same message again", async () => {
    await using chat = await open();
    const first = await chat.promptWithMeta("one", { maxTokens: 8, grammar: await endless() });
    const again = await chat.regenerate({ maxTokens: 8, grammar: await endless() });
    expect(again.responseText).toBe(first.responseText);
    expect(again.usage).toMatchObject({ input: 0, output: 8 });
    await chat.regenerate({ responsePrefix: "another", maxTokens: 0 });
    expect(chat.getChatHistory()).toEqual([
      { type: "user", text: "one" },
      { type: "model", response: ["another"] },
    ]);
    expect(cellsOf(chat)).toContain("<|im_start|>user\none<|im_end|>\n<|im_start|>assistant\nanother");
  });

  test("is refused before anything was said, and when the message has lost tokens", async () => {
    await using chat = await open({ budget: 64 });
    await expect(chat.undo()).rejects.toMatchObject({ code: "empty" });
    await expect(chat.regenerate()).rejects.toMatchObject({ code: "empty" });
    await chat.prompt("one", { maxTokens: 120, grammar: await endless(), repeatPenalty: false });
    const { position } = chat.stream;
    await expect(chat.regenerate()).rejects.toMatchObject({ code: "evicted" });
    await expect(chat.undo()).rejects.toMatchObject({ code: "evicted" });
    expect(chat.stream.position).toBe(position);
  });

  test("says when it is no undo, and closes no answer that is gone", async () => {
    await using chat = await open({ budget: 96 });
    await say(chat, "one", "a".repeat(20));
    // So long that the exchange before has to leave, and short enough to be there whole.
    await say(chat, "two", "b".repeat(50));
    expect(cellsOf(chat)).not.toContain("one");
    expect(await chat.undo()).toEqual({ exact: false });
    await say(chat, "three", "c");
    expect(cellsOf(chat)).toBe("<|im_start|>user\nthree<|im_end|>\n<|im_start|>assistant\nc");
  });

  test("to the beginning keeps the system prompt", async () => {
    await using chat = await open({ systemPrompt: SYSTEM });
    const head = cellsOf(chat);
    await say(chat, "one", "a");
    await chat.resetChatHistory();
    expect(cellsOf(chat)).toBe(head);
    expect(chat.getChatHistory()).toEqual([{ type: "system", text: SYSTEM }]);
    await say(chat, "two", "b");
    expect(cellsOf(chat)).toContain(`${head}<|im_start|>user\ntwo`);
  });

  async function nextTurnAfter(chat: Chat): Promise<string> {
    await say(chat, "next", "x");
    return cellsOf(chat);
  }
});

describe("evictions", () => {
  test("take whole exchanges, never the system prompt, and say what they dropped", async () => {
    const events: ChatEvictionEvent[] = [];
    await using chat = await open({
      systemPrompt: SYSTEM,
      budget: 160,
      onEvict: (event) => events.push(event),
    });
    const head = cellsOf(chat);
    const said: string[] = [];
    for (let number = 0; number < 40; number += 1) {
      const [message, answer] = [`question ${number}`, "the answer ".repeat(1 + (number % 3))];
      said.push(turnOf(message, answer));
      await say(chat, message, answer);
      const behind = `${cellsOf(chat).slice(head.length)}<|im_end|>\n`;
      expect(cellsOf(chat).startsWith(head)).toBe(true);
      // What is behind the head is the last few exchanges, whole.
      const kept = said.filter((turn) => behind.includes(turn));
      expect(kept.join("")).toBe(behind);
      expect(said.slice(said.length - kept.length)).toEqual(kept);
    }
    expect(events.length).toBeGreaterThan(5);
    const dropped = events.flatMap(({ exchanges }) => exchanges);
    expect(dropped.map(({ number }) => number)).toEqual(dropped.map((_, index) => index));
    expect(dropped.every(({ tokensLeft }) => tokensLeft === 0)).toBe(true);
    expect(events.map(({ text }) => text).join("")).toBe(said.slice(0, dropped.length).join(""));
  });

  test("let a message through that is longer than the budget", async () => {
    const events: ChatEvictionEvent[] = [];
    await using chat = await open({
      systemPrompt: SYSTEM,
      budget: 96,
      onEvict: (event) => events.push(event),
    });
    const head = cellsOf(chat);
    const long = Array.from({ length: 80 }, (_, index) => `word ${index}`).join(" ");
    const reply = await chat.promptWithMeta(long, { responsePrefix: "so long", maxTokens: 0 });
    expect(reply.usage.input).toBeGreaterThan(chat.stream.budget);
    expect(reply.usage.evicted).toBe(events.reduce((sum, { tokens }) => sum + tokens.length, 0));
    expect(cellsOf(chat).startsWith(head)).toBe(true);
    expect(cellsOf(chat)).toContain("word 79");
    expect(events.every(({ exchanges }) => exchanges.every(({ number }) => number === 0))).toBe(true);
    // Once its beginning is gone, nothing tells the rest of a turn from text without turns.
    expect(events.map(({ note }) => note?.startsWith("turn-aligned: "))).toEqual([
      true,
      ...events.slice(1).map(() => undefined),
    ]);
  });

  test("leave the history alone, or take it along when memory must not grow", async () => {
    for (const keepHistory of [true, false]) {
      await using chat = await open({ budget: 96, keepHistory });
      for (let number = 0; number < 20; number += 1) await say(chat, `question ${number}`, "answer");
      const asked = chat.getChatHistory().filter(({ type }) => type === "user");
      if (keepHistory) expect(asked).toHaveLength(20);
      else expect(asked.length).toBeLessThan(6);
      expect(asked.at(-1)).toEqual({ type: "user", text: "question 19" });
    }
  });

  test("under a policy that lets nothing leave, a turn that does not fit is refused and taken back", async () => {
    await using chat = await open({ policy: dense(), budget: 64, systemPrompt: SYSTEM });
    await say(chat, "one", "a");
    const before = chat.stream.position;
    await expect(chat.prompt("long ".repeat(60))).rejects.toMatchObject({ code: "cache-full" });
    expect(chat.stream.position).toBe(before);
    expect(chat.getChatHistory()).toHaveLength(3);
  });

  test("can recompute instead", async () => {
    await using chat = await open({
      policy: pinned(turnAligned(recompute({ stride: 8 }))),
      budget: 96,
      systemPrompt: SYSTEM,
    });
    const head = cellsOf(chat);
    for (let number = 0; number < 12; number += 1) await say(chat, `question ${number}`, "answer");
    expect(chat.stream.stats.recomputedTokens).toBeGreaterThan(0);
    expect(cellsOf(chat).startsWith(head)).toBe(true);
  });
});

describe("a saved conversation", () => {
  test("goes on as the other would have: history, cells, answers and what can be taken back", async () => {
    const path = join(folder.path, "conversation.kv");
    const options = { grammar: await endless(), maxTokens: 6, temperature: 1 };
    const goOn = async (chat: Chat): Promise<unknown> => [
      await chat.promptWithMeta("three", options),
      await chat.regenerate(options),
      await chat.undo(),
      await chat.undo(),
      await chat.promptWithMeta("four", options),
      chat.getChatHistory(),
      cellsOf(chat),
    ];
    await using chat = await open({ systemPrompt: SYSTEM, budget: 96 });
    for (const message of ["zero", "one", "two"]) await chat.prompt(message, options);
    await chat.save(path);
    const expected = await goOn(chat);
    await using restored = await openChat(model, {
      policy: chat.stream.policy,
      restore: path,
      threads: 1,
    });
    expect(restored.getChatHistory()).toHaveLength(7);
    expect(await goOn(restored)).toEqual(expected);
    await restored.resetChatHistory();
    expect(cellsOf(restored)).toBe(`<|begin_of_text|><|im_start|>system\n${SYSTEM}<|im_end|>\n`);
  });

  test("is refused as another one: of a stream, with another template or system prompt", async () => {
    const path = join(folder.path, "refused.kv");
    await using chat = await open({ systemPrompt: SYSTEM });
    await say(chat, "one", "a");
    await chat.save(path);
    const goOn = (options: Partial<OpenChatOptions>): Promise<Chat> =>
      openChat(model, { policy: chat.stream.policy, restore: path, ...options });
    const config = { code: "config" };
    await expect(goOn({ systemPrompt: "be bad" })).rejects.toMatchObject(config);
    await expect(goOn({ chatWrapper: new GeneralChatWrapper() })).rejects.toMatchObject(config);
    await expect(goOn({ policy: sinkWindow({ sinks: 2 }) })).rejects.toMatchObject(config);
    await chat.stream.save(path);
    await expect(goOn({})).rejects.toMatchObject({
      ...config,
      message: expect.stringMatching(/not of a chat/) as string,
    });
  });
});

describe("what cannot work is refused at once", () => {
  test("a policy that would evict the system prompt", async () => {
    await expect(open({ policy: sinkWindow({ sinks: 2 }), systemPrompt: SYSTEM })).rejects.toMatchObject({
      code: "config",
      details: { option: "policy", value: "sink-window" },
      message: expect.stringMatching(/pinned\(sink-window\)/) as string,
    });
    // Enough sinks hold it, too.
    await using chat = await open({ policy: sinkWindow({ sinks: 40 }), systemPrompt: SYSTEM });
    expect(chat.stream.length).toBeLessThan(40);
  });

  test("a system prompt that leaves no room", async () => {
    await expect(open({ budget: 32, systemPrompt: "word ".repeat(40) })).rejects.toMatchObject({
      code: "config",
      details: { option: "systemPrompt" },
    });
  });

  test("a number of tokens that is none, with nothing changed", async () => {
    await using chat = await open();
    const { position } = chat.stream;
    await expect(chat.prompt("one", { maxTokens: -1 })).rejects.toMatchObject({ code: "config" });
    expect(chat.stream.position).toBe(position);
  });

  test.each(["functions", "onResponseChunk", "budgets"])(
    "%s, which code for LlamaChatSession may bring",
    async (option) => {
      await using chat = await open();
      await expect(chat.prompt("one", { [option]: {} })).rejects.toMatchObject({
        code: "unsupported",
      });
      expect(chat.getChatHistory()).toEqual([]);
    },
  );

  test("anything after dispose", async () => {
    const chat = await open();
    await chat.dispose();
    await expect(chat.prompt("one")).rejects.toMatchObject({ code: "disposed" });
  });
});

test("the system prompt is pinned and a wrapper can be named", async () => {
  await using chat = await open({ systemPrompt: SYSTEM, chatWrapper: new GeneralChatWrapper() });
  await say(chat, "one", "a");
  const { marks } = await chat.stream.snapshot();
  const head = marks.find(({ name }) => name === PINNED_MARK);
  expect(model.detokenize([...chat.stream.cells().tokens].slice(0, head?.end) as Token[], true)).toBe(
    `<|begin_of_text|>${SYSTEM}\n\n`,
  );
  expect(marks.filter(({ name }) => name === "turn")).toEqual([
    { name: "turn", start: head?.end, end: (head?.end ?? 0) + 1 },
  ]);
});

/** A grammar without an end: the answer goes on until something else ends it. */
function endless(): Promise<LlamaGrammar> {
  return llama.createGrammar({ grammar: "root ::= [a-z ] root" });
}
