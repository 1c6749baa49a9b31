import { KVPolicyError } from "@kvpolicy/core";
import type { Chat, ChatEvictionEvent, ChatReply, PromptOptions } from "@kvpolicy/llamacpp-adapter";

import type { ChatScreen } from "./chat-screen.js";
import { explainError } from "./report-error.js";

/** What a conversation needs. */
export interface ConversationOptions {
  /** The chat. */
  readonly chat: Chat;
  /** Where it takes place. */
  readonly screen: ChatScreen;
  /** What evictions dropped; the chat's listener pushes, the conversation takes. */
  readonly evictions: ChatEvictionEvent[];
  /** Options of every answer. */
  readonly answer: PromptOptions;
  /** Tells the time in milliseconds. */
  readonly clock: () => number;
}

const STATUS_MILLISECONDS = 100;
const BAR_CELLS = 16;

const HELP = `  /undo         take the last exchange back
  /again        answer the last message again; the same at --temperature 0, or nearly so
  /reset        begin anew behind the system prompt
  /save FILE    save the conversation with its cells; go on with --restore FILE
  /help         this
  /exit         leave, as Ctrl-D does; Ctrl-C stops an answer`;

/**
 * Asks and answers until the user leaves. What the user asked for and cannot be done is noted; anything else ends it.
 */
export async function converse(options: ConversationOptions): Promise<void> {
  const conversation = new Conversation(options);
  const { screen } = options;
  screen.status(conversation.describe());
  for (;;) {
    const line = await screen.ask();
    if (line === undefined || line.trim() === "/exit") return;
    if (line.trim() === "") continue;
    try {
      await conversation.take(line);
    } catch (error) {
      if (!KVPolicyError.isInstance(error) || error.actor !== "caller") throw error;
      screen.note(explainError(error));
    }
  }
}

class Conversation {
  readonly #options: ConversationOptions;
  #exchangesGone = 0;
  #speed = "";

  constructor(options: ConversationOptions) {
    this.#options = options;
  }

  async take(line: string): Promise<void> {
    const { chat, screen } = this.#options;
    const [command = "", ...rest] = line.trim().split(/\s+/);
    if (!command.startsWith("/"))
      return this.#answer("the message was taken back", (options) => chat.promptWithMeta(line, options));
    switch (command) {
      case "/undo": {
        const { exact } = await chat.undo();
        screen.note(exact ? "taken back" : "taken back; what was evicted since does not come back");
        break;
      }
      case "/again":
        return this.#answer("the answer before stays", (options) => chat.regenerate(options));
      case "/reset":
        await chat.resetChatHistory();
        screen.note("begun anew");
        break;
      case "/save":
        if (rest.length === 0) {
          screen.note("/save takes the name of a file");
          break;
        }
        await chat.save(rest.join(" "));
        screen.note(`saved: ${rest.join(" ")}`);
        break;
      default:
        screen.note(command === "/help" ? HELP : `there is no ${command}\n${HELP}`);
    }
    screen.status(this.describe());
  }

  /** The line of cache use. */
  describe(): string {
    const { stream } = this.#options.chat;
    const { length, budget, stats } = stream;
    const filled = Math.round((length / budget) * BAR_CELLS);
    const parts = [
      `${"█".repeat(filled)}${"░".repeat(BAR_CELLS - filled)} ${count(length)}/${count(budget)} cells`,
      `${count(stream.position)} tokens`,
      ...(stats.evictedTokens > 0 ? [`${count(stats.evictedTokens)} evicted`] : []),
      ...(this.#exchangesGone > 0 ? [`${plural(this.#exchangesGone, "exchange")} gone`] : []),
      ...(this.#speed === "" ? [] : [this.#speed]),
    ];
    return parts.join(" · ");
  }

  /** Asks for an answer and shows it; `undone` says what became of one that was stopped before it began. */
  async #answer(undone: string, ask: (options: PromptOptions) => Promise<ChatReply>): Promise<void> {
    const { chat, screen, answer, clock } = this.#options;
    const controller = new AbortController();
    screen.onInterrupt = () => {
      controller.abort();
    };
    const begun = clock();
    const { tokens } = chat.stream.stats;
    const draw = (): void => {
      screen.status(this.describe());
    };
    const timer = setInterval(draw, STATUS_MILLISECONDS);
    try {
      const { stopReason, usage } = await ask({
        ...answer,
        signal: controller.signal,
        stopOnAbortSignal: true,
        onTextChunk: (text) => {
          screen.write(text);
        },
      });
      const seconds = (clock() - begun) / 1000;
      this.#speed = `${Math.round((chat.stream.stats.tokens - tokens) / seconds)} tokens/s`;
      this.#noteEvictions();
      screen.finishAnswer(this.describe());
      if (stopReason === "maxTokens")
        screen.note(`cut after ${usage.output} tokens; --max-tokens allows more`);
    } catch (error) {
      this.#noteEvictions();
      if (!controller.signal.aborted || error !== controller.signal.reason) throw error;
      screen.note(`stopped before the answer began: ${undone}`);
    } finally {
      clearInterval(timer);
      screen.onInterrupt = undefined;
    }
  }

  #noteEvictions(): void {
    const { evictions } = this.#options;
    const gone = evictions.flatMap(({ exchanges }) => exchanges.filter(({ tokensLeft }) => tokensLeft === 0));
    this.#exchangesGone += gone.length;
    evictions.length = 0;
  }
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}
