import { checkCount, KVPolicyError } from "@kvpolicy/core";

import { disposeAll } from "../../measure/dispose-all.js";
import type { ExperimentOptions } from "../experiment.js";
import type { ChatContender } from "./chat-contender.js";
import { Conversation } from "./conversation.js";
import type { ChatQuestion } from "./read-questions.js";
import type { ChatEvalContender, ChatEvalResults } from "./chat-eval-results.js";
import {
  compareTurns,
  firstEviction,
  summarizeTurns,
  turnsBefore,
  turnsWhenFull,
} from "./summarize-turns.js";

/** Options of {@link measureChatEval}. */
export interface ChatEvalOptions extends ExperimentOptions {
  /** The ways to hold the conversation, each on a context of its own. The first is what the others are compared with. */
  readonly contenders: readonly ChatContender[];
  /** What is asked. */
  readonly questions: {
    /** What to call them; no path. */
    readonly name: string;
    /** SHA-256 of their text. */
    readonly sha256: string;
    /** The questions, asked with all their turns in this order, one after the other. */
    readonly questions: readonly ChatQuestion[];
  };
  /** Turns to ask. With more than the questions have, they are repeated in order. Defaults to all, once. */
  readonly turns?: number | undefined;
  /** Most tokens of an answer. Defaults to 64. */
  readonly maxTokens?: number | undefined;
  /** Cells of each conversation, for the record and to be checked; the contenders open with it. At most the model's trained length. */
  readonly budget: number;
  /** What the model is told first, for the record; the contenders open with it. */
  readonly systemPrompt?: string | undefined;
  /** Seed of the intervals. Defaults to 1. */
  readonly seed?: number | undefined;
}

/**
 * Asks questions in one conversation that outgrows its cache, in several ways side by side, and measures what each turn costs.
 *
 * The contenders take turns, one question each, and another begins each time, so that a machine that becomes slower does so for all.
 *
 * @throws {KVPolicyError} `config` for no contenders, two of one name, numbers that cannot work or a budget above the model's trained
 * length; `empty` for no questions. A failure of a single contender does not throw: it is in its row.
 */
export async function measureChatEval(options: ChatEvalOptions): Promise<ChatEvalResults> {
  checkOptions(options);
  const {
    contenders,
    signal,
    onProgress,
    clock = () => performance.now(),
    maxTokens = 64,
    seed = 1,
  } = options;
  const { name, sha256, questions } = options.questions;
  const messages = questions.flatMap(({ turns }) => turns);
  const { turns: length = messages.length } = options;
  const report = (turn: number, who: string): void => {
    const [done, total] = countWork(conversations, length);
    onProgress?.({ what: `turn ${turn + 1} of ${length}, ${who}`, done, total });
  };
  const conversations = contenders.map((contender) => {
    const conversation: Conversation = new Conversation(contender, {
      length,
      maxTokens,
      clock,
      signal,
      onText: () => {
        report(conversation.turns.length, contender.name);
      },
    });
    return conversation;
  });

  const start = clock();
  try {
    for (const conversation of conversations) if (!signal?.aborted) await conversation.open();
    const isGoingOn = (): boolean => !signal?.aborted && conversations.some(({ error }) => !error);
    for (let turn = 0; turn < length && isGoingOn(); turn += 1) {
      const message = messages[turn % messages.length] ?? "";
      for (const conversation of rotate(conversations, turn)) {
        if (signal?.aborted) break;
        if (conversation.error) continue;
        report(turn, conversation.contender.name);
        await conversation.ask(message);
      }
    }
  } finally {
    await disposeAll(conversations);
  }
  return {
    ...options.surroundings,
    partial: conversations.some(({ status }) => status === "partial"),
    milliseconds: clock() - start,
    experiment: "chat-eval",
    settings: {
      budget: options.budget,
      turns: length,
      maxTokens,
      questions: { name, sha256, count: questions.length },
      systemPrompt: options.systemPrompt ?? null,
      seed,
    },
    firstDifferentTurn: findFirstDifference(conversations),
    contenders: conversations.map((conversation) => buildRow(conversation, conversations[0], seed)),
  };
}

/** Work done and all the work, in turns. */
function countWork(conversations: readonly Conversation[], length: number): [done: number, total: number] {
  let [done, total] = [0, 0];
  for (const { turns, progress, error } of conversations) {
    done += turns.length + progress;
    total += error ? turns.length : length;
  }
  return [done, total];
}

function rotate<Item>(items: readonly Item[], by: number): readonly Item[] {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

/** The first turn, counted from 1, in which those that had it did not answer the same. */
function findFirstDifference(conversations: readonly Conversation[]): number | null {
  const longest = Math.max(...conversations.map(({ answers }) => answers.length));
  for (let turn = 0; turn < longest; turn += 1) {
    if (new Set(conversations.flatMap(({ answers }) => answers[turn] ?? [])).size > 1) return turn + 1;
  }
  return null;
}

function buildRow(
  conversation: Conversation,
  reference: Conversation | undefined,
  seed: number,
): ChatEvalContender {
  const { contender, status, error, warnings, cells, contextBytes, turns, answers } = conversation;
  const first = firstEviction(turns);
  const cuts = turns.flatMap(({ cutExchanges }) => cutExchanges ?? []);
  return {
    name: contender.name,
    description: contender.description,
    status,
    error,
    warnings,
    cells,
    contextBytes,
    firstEvictionTurn: first === undefined ? null : first + 1,
    evictions: turns.reduce((sum, { evictions }) => sum + evictions, 0),
    repeatedAnswers: answers.length - new Set(answers).size,
    cutTurns: cuts.length === 0 ? null : cuts.filter((count) => count > 0).length,
    before: summarizeTurns(turns, turnsBefore([turns]), seed),
    full: summarizeTurns(turns, turnsWhenFull([turns]), seed),
    ratio: reference && reference !== conversation ? compare(conversation, reference, seed) : null,
    turns,
  };
}

function compare(
  { turns }: Conversation,
  { turns: others, contender: { name } }: Conversation,
  seed: number,
): ChatEvalContender["ratio"] {
  return {
    reference: name,
    before: compareTurns(turns, others, turnsBefore([turns, others]), seed),
    full: compareTurns(turns, others, turnsWhenFull([turns, others]), seed),
  };
}

function checkOptions({ contenders, questions, turns, maxTokens, budget, model }: ChatEvalOptions): void {
  checkCount("measureChatEval", "budget", budget, 1);
  if (turns !== undefined) checkCount("measureChatEval", "turns", turns, 1);
  if (maxTokens !== undefined) checkCount("measureChatEval", "maxTokens", maxTokens, 1);
  const { trainedLength } = model;
  if (trainedLength !== undefined && budget > trainedLength) {
    const message = `A budget of ${budget} cells is above the ${trainedLength} positions that the model was trained on.`;
    throw new KVPolicyError({ code: "config", message, details: { option: "budget", value: budget } });
  }
  if (!questions.questions.some(({ turns: messages }) => messages.length > 0)) {
    throw new KVPolicyError({
      code: "empty",
      message: "There are no questions to ask.",
      details: { what: "questions" },
    });
  }
  const names = contenders.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (names.length > 0 && twice === undefined) return;
  throw new KVPolicyError({
    code: "config",
    message:
      twice === undefined ? "There is no conversation to hold." : `Two contenders are called "${twice}".`,
    details: { option: "contenders", value: names },
  });
}
