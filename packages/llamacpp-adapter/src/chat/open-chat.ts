import {
  BOS_MARK,
  KVPolicyError,
  PINNED_MARK,
  TURN_MARK,
  type CacheView,
  type KVCachePolicy,
} from "@kvpolicy/core";
import { resolveChatWrapper, type ChatWrapper, type LlamaModel } from "node-llama-cpp";

import { openStream, type LlamaStream, type OpenStreamOptions } from "../open-stream.js";
import type { Chat, ChatEvictionEvent } from "./chat.js";
import { ChatTemplate } from "./chat-template.js";
import { StreamChat } from "./stream-chat.js";
import { Transcript } from "./transcript.js";

/** Options of {@link openChat}. */
export interface OpenChatOptions extends Omit<OpenStreamOptions, "bos" | "specialTokens"> {
  /** What the model is told first. Its cells are pinned. Defaults to none, and not to node-llama-cpp's own text. */
  readonly systemPrompt?: string | undefined;
  /** How the conversation is written down for the model. Defaults to `auto`: what node-llama-cpp finds for the model. */
  readonly chatWrapper?: "auto" | ChatWrapper | undefined;
  /** Told what each eviction dropped, in terms of the conversation. */
  readonly onEvict?: ((event: ChatEvictionEvent) => void) | undefined;
  /**
   * Whether the history keeps exchanges that the model does not see any more. Defaults to true, which takes memory for as long as the
   * conversation goes on: its text, no cells.
   */
  readonly keepHistory?: boolean | undefined;
}

/**
 * Opens a conversation on a loaded model, over a stream of its own. The system prompt is read at once and pinned, each turn adds only
 * what is new, and its first token carries the mark `turn`: `pinned(turnAligned(policy))` evicts whole exchanges and never the
 * system prompt.
 *
 * @example
 * ```ts
 * await using chat = await openChat(model, { policy: pinned(turnAligned(sinkWindow())), systemPrompt, budget: 2048 });
 * const answer = await chat.prompt("Hi", { onTextChunk: (text) => process.stdout.write(text) });
 * ```
 * @throws {KVPolicyError} as `openStream`; `config` when the system prompt leaves no room, when the policy would evict it, or when
 * `restore` names a snapshot of another conversation; `unsupported` for a chat wrapper that cannot be taken turn by turn.
 */
export async function openChat(model: LlamaModel, options: OpenChatOptions): Promise<Chat> {
  const { systemPrompt, chatWrapper = "auto", onEvict, keepHistory = true, ...streamOptions } = options;
  const stream = await openStream(model, { ...streamOptions, bos: false, specialTokens: false });
  try {
    const wrapper = chatWrapper === "auto" ? resolveChatWrapper(model) : chatWrapper;
    const transcript =
      stream.restored === undefined
        ? new Transcript(wrapper.wrapperName, systemPrompt)
        : restoreTranscript(stream.restored.extra, wrapper, systemPrompt);
    const template = new ChatTemplate(model, wrapper, transcript.systemPrompt);
    const isPinned = transcript.systemPrompt !== undefined;
    checkRoom(stream, template, isPinned);
    const begin = (): Promise<void> => beginStream(model, stream, template, isPinned);
    if (stream.restored === undefined) await begin();
    return new StreamChat({ model, stream, wrapper, template, transcript, begin, keepHistory, onEvict });
  } catch (error) {
    await stream.dispose();
    throw error;
  }
}

function restoreTranscript(
  saved: unknown,
  { wrapperName }: ChatWrapper,
  systemPrompt: string | undefined,
): Transcript {
  const transcript = Transcript.restore(saved, wrapperName);
  if (systemPrompt === undefined || systemPrompt === transcript.systemPrompt) return transcript;
  throw refuse("systemPrompt", systemPrompt, "The snapshot's conversation began with another system prompt.");
}

async function beginStream(
  { tokens: { bos } }: LlamaModel,
  stream: LlamaStream,
  { head }: ChatTemplate,
  isPinned: boolean,
): Promise<void> {
  if (head.length === 0) return;
  if (head[0] === bos) stream.mark(BOS_MARK, { start: 0, end: 1 });
  if (isPinned) stream.mark(PINNED_MARK, { start: 0, end: head.length });
  await stream.append(head);
}

/** Finds out at once what would come up in the middle of a conversation: no room behind the head, or a policy that evicts it. */
function checkRoom({ budget, policy }: LlamaStream, { head }: ChatTemplate, isPinned: boolean): void {
  if (head.length >= budget) {
    const message = `What the conversation begins with takes ${head.length} tokens and leaves no room in a budget of ${budget} cells.`;
    throw refuse("systemPrompt", head.length, message);
  }
  if (!isPinned || !wouldEvict(policy, fullView(budget, head))) return;
  throw refuse(
    "policy",
    policy.name,
    `Policy "${policy.name}" would evict the system prompt, whose ${head.length} cells are pinned: wrap it, pinned(${policy.name}).`,
  );
}

/** The cache when it is full for the first time: the head, then one long turn. */
function fullView(budget: number, head: readonly number[]): CacheView {
  return {
    length: budget,
    budget,
    required: 1,
    marks: [
      { name: PINNED_MARK, start: 0, end: head.length },
      { name: TURN_MARK, start: head.length, end: head.length + 1 },
    ],
    token: (index) => head[index] ?? 0,
    streamPosition: (index) => index,
    nll: () => 0,
  };
}

function wouldEvict(policy: KVCachePolicy, view: CacheView): boolean {
  const [pin] = view.marks;
  try {
    return policy.plan(view)?.evict.some(({ start }) => start < (pin?.end ?? 0)) ?? false;
  } catch {
    // A policy that fails is named by the stream, with its plan, when it is asked in earnest.
    return false;
  }
}

function refuse(option: string, value: unknown, message: string): KVPolicyError<"config"> {
  return new KVPolicyError({ code: "config", message, details: { option, value } });
}
