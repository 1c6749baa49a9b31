import type { EvictionEvent } from "@kvpolicy/core";
import type { ChatHistoryItem, ChatWrapper, Token } from "node-llama-cpp";

import type { LlamaStream } from "../open-stream.js";
import type { ChatSampling } from "./chat-sampling.js";
import type { StopTrigger } from "./stop-detector.js";

/** Options of one answer. The names, meanings and defaults are those of `LlamaChatSession.prompt()`, where nothing else is said. */
export interface PromptOptions extends ChatSampling {
  /** Told each piece of the answer's text. A piece that may begin a stop trigger is held back until it is known not to. */
  readonly onTextChunk?: ((text: string) => void) | undefined;
  /** Told each token of the answer, one at a time. */
  readonly onToken?: ((tokens: Token[]) => void) | undefined;
  /** Stops between two steps. The call rejects with `signal.reason`, and the turn is taken back as if it had not been asked, but for what it has evicted; a second answer gives way to the text of the first. */
  readonly signal?: AbortSignal | undefined;
  /** Whether an abort ends the answer instead, once it has begun: what there is of it stays. Defaults to false. */
  readonly stopOnAbortSignal?: boolean | undefined;
  /** Most tokens of the answer. Defaults to the budget: a longer answer has lost its question, and a model may never stop. */
  readonly maxTokens?: number | undefined;
  /** What the answer begins with; it is part of the answer. */
  readonly responsePrefix?: string | undefined;
  /** Whether white space at the end is left out of the answer's text. Defaults to false. */
  readonly trimWhitespaceSuffix?: boolean | undefined;
  /** What else ends an answer. Neither the text nor the cells keep it. */
  readonly customStopTriggers?: readonly StopTrigger[] | undefined;
}

/** What one turn cost, in tokens. */
export interface ChatUsage {
  /** What the turn added in front of the answer: the end of the answer before, the template's text and the message. */
  readonly input: number;
  /** Tokens of the answer. */
  readonly output: number;
  /** Cells in use when the turn began, none of which was read again. */
  readonly cached: number;
  /** Tokens that the engine evaluated. The last one of an answer is evaluated with the turn after it; survivors that a policy recomputes count. */
  readonly evaluated: number;
  /** Tokens evicted. */
  readonly evicted: number;
}

/** An answer. */
export interface ChatReply {
  /** Its text. */
  readonly responseText: string;
  /**
   * Why it ended. `eogToken`: the model said so. `stopGenerationTrigger`: the chat wrapper's or the grammar's. `customStopTrigger`:
   * yours. `maxTokens`, `abort`: it was cut.
   */
  readonly stopReason: "eogToken" | "stopGenerationTrigger" | "customStopTrigger" | "maxTokens" | "abort";
  /** Your trigger that ended it. */
  readonly customStopTrigger: StopTrigger | undefined;
  /** What the turn cost. */
  readonly usage: ChatUsage;
}

/** An eviction, in terms of the conversation. */
export interface ChatEvictionEvent extends EvictionEvent {
  /** The text that left, the template's own included. */
  readonly text: string;
  /** The exchanges that lost tokens: their numbers, 0 for the first of the conversation, and how many of their tokens are left. */
  readonly exchanges: readonly { readonly number: number; readonly tokensLeft: number }[];
}

/**
 * A conversation that goes on for ever in a cache that does not grow. Each turn adds what is new to the stream and reads nothing
 * again. An exchange is a message with its answer; its first token carries the mark `turn`. Calls may overlap: they run in call order.
 *
 * It does not extend what the model can remember: an evicted exchange is gone for the model, though not from the history here.
 */
export interface Chat extends AsyncDisposable {
  /** The stream beneath: its cells, counters and budget. Whoever appends to it by hand breaks the turns. */
  readonly stream: LlamaStream;
  /** The template in use. */
  readonly chatWrapper: ChatWrapper;
  /**
   * Asks, and answers the answer's text.
   *
   * @throws {KVPolicyError} as `stream.append`: `cache-full` under a policy that lets nothing leave, `config` for an option that
   * cannot work. The turn is taken back then, where the model can go back.
   */
  prompt(message: string, options?: PromptOptions): Promise<string>;
  /** The same, and answers why the answer ended and what it cost. */
  promptWithMeta(message: string, options?: PromptOptions): Promise<ChatReply>;
  /**
   * Answers the last message again, in place of the last answer.
   *
   * @throws {KVPolicyError} `empty` before the first message, `evicted` when the message has lost tokens, `unsupported` when the model
   * cannot go back. Nothing was changed.
   */
  regenerate(options?: PromptOptions): Promise<ChatReply>;
  /**
   * Takes the last exchange back. `exact` is false when something was evicted since it began: that does not come back.
   *
   * @throws {KVPolicyError} as {@link Chat.regenerate}.
   */
  undo(): Promise<{ readonly exact: boolean }>;
  /** The conversation, with what the model does not see any more. */
  getChatHistory(): ChatHistoryItem[];
  /** Back to the system prompt. */
  resetChatHistory(): Promise<void>;
  /** Writes the conversation and its cells to a file that `openChat(model, { restore })` goes on from. As `stream.save`. */
  save(path: string): Promise<void>;
  /** Frees the stream. */
  dispose(): Promise<void>;
}
