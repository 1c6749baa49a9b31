import { KVPolicyError } from "@kvpolicy/core";

import { isAbort } from "../../measure/is-abort.js";
import type { ChatContender, MeasuredChat } from "./chat-contender.js";
import type { ChatEvalContender, ChatEvalTurn } from "./chat-eval-results.js";

/** What the turns of a conversation have in common. */
export interface ConversationOptions {
  /** Turns that are to be asked. */
  readonly length: number;
  /** Most tokens of an answer. */
  readonly maxTokens: number;
  /** Tells the time in milliseconds. */
  readonly clock: () => number;
  /** Stops within an answer; the turn is not counted then. */
  readonly signal: AbortSignal | undefined;
  /** Called at each piece of an answer. */
  readonly onText: () => void;
}

/** One contender's conversation: asks, times, and keeps what came of it. */
export class Conversation {
  /** The turns so far. */
  readonly turns: ChatEvalTurn[] = [];
  /** The answers so far. */
  readonly answers: string[] = [];
  /** What it was warned of. */
  readonly warnings: string[] = [];
  /** Why it stopped, and in which turn, counted from 1; 0 is before the first. */
  error: ChatEvalContender["error"] = null;
  /** Share of the answer in progress that is there. */
  progress = 0;
  /** Cells that it may use; null before it is open. */
  cells: number | null = null;
  /** Bytes of its context; null when nothing tells. */
  contextBytes: number | null = null;
  readonly contender: ChatContender;
  readonly #options: ConversationOptions;
  #chat: MeasuredChat | undefined;

  constructor(contender: ChatContender, options: ConversationOptions) {
    this.contender = contender;
    this.#options = options;
  }

  /** How far it came. */
  get status(): ChatEvalContender["status"] {
    if (this.error) return "failed";
    return this.turns.length === this.#options.length ? "complete" : "partial";
  }

  /** Opens the chat. A failure is kept. */
  async open(): Promise<void> {
    await this.#keepFailure(0, async () => {
      const chat = await this.contender.open((warning) => this.warnings.push(warning));
      this.#chat = chat;
      this.cells = chat.cells;
      this.contextBytes = chat.contextBytes ?? null;
    });
  }

  /** Asks a question, once it is open. A failure is kept; nothing more is asked then. */
  async ask(question: string): Promise<void> {
    const chat = this.#chat;
    if (!chat) return;
    await this.#keepFailure(this.turns.length + 1, () => this.#ask(chat, question));
    this.progress = 0;
  }

  /** Frees the chat. */
  async dispose(): Promise<void> {
    await this.#chat?.dispose();
  }

  async #ask(chat: MeasuredChat, question: string): Promise<void> {
    const { maxTokens, clock, signal, onText } = this.#options;
    const pieces: number[] = [];
    const begun = clock();
    const {
      answer,
      cutExchanges = null,
      ...costs
    } = await chat.ask(question, {
      maxTokens,
      signal,
      onText: () => {
        pieces.push(clock());
        this.progress = Math.min(1, pieces.length / maxTokens);
        onText();
      },
    });
    const ended = clock();
    const [first] = pieces;
    this.answers.push(answer);
    this.turns.push({
      ...costs,
      cutExchanges,
      firstTokenMilliseconds: first === undefined ? null : first - begun,
      longestWaitMilliseconds: longestGap([begun, ...pieces, ended]),
      milliseconds: ended - begun,
    });
  }

  async #keepFailure(turn: number, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (isAbort(error, this.#options.signal)) return;
      if (!KVPolicyError.isInstance(error)) throw error;
      this.error = { turn, code: error.code, message: error.message };
    }
  }
}

function longestGap(times: readonly number[]): number {
  return times.reduce((longest, time, index) => Math.max(longest, time - (times[index - 1] ?? time)), 0);
}
