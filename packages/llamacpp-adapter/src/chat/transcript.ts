import { KVPolicyError } from "@kvpolicy/core";
import type { ChatHistoryItem } from "node-llama-cpp";

/** A message with its answer, and where they lie in the stream. */
export interface Exchange {
  /** 0 for the first of the conversation. */
  readonly number: number;
  /** Stream position at which the turn began: what closes the answer before comes first. */
  readonly undoTo: number;
  /** Stream position of its first token of its own, which carries the mark. */
  readonly start: number;
  /** Stream position of the answer. */
  readonly answerStart: number;
  /** What was asked. */
  readonly message: string;
  /** What was answered so far. */
  answer: string;
}

/** The transcript as data, for a snapshot. */
export interface TranscriptData {
  /** What tells it from other data in a snapshot. */
  readonly kind: "chat";
  /** Version of this format. */
  readonly version: 1;
  /** Name of the chat wrapper. */
  readonly chatWrapper: string;
  /** What the model was told first. */
  readonly systemPrompt: string | null;
  /** Exchanges so far, forgotten ones included. */
  readonly count: number;
  /** Whether the stream ends with an answer that nothing has closed yet. */
  readonly endsWithAnswer: boolean;
  /** Those that are not forgotten. */
  readonly exchanges: readonly Exchange[];
}

/** What was said, and where it lies in the stream. */
export class Transcript {
  /** Exchanges of the conversation so far, forgotten ones included. */
  count = 0;
  /** Whether the stream ends with an answer that nothing has closed yet. */
  endsWithAnswer = false;
  readonly #chatWrapper: string;
  readonly #systemPrompt: string | undefined;
  #exchanges: Exchange[] = [];

  constructor(chatWrapper: string, systemPrompt: string | undefined) {
    this.#chatWrapper = chatWrapper;
    this.#systemPrompt = systemPrompt;
  }

  /** @throws {KVPolicyError} `config` when this is no transcript that was saved, or the template of another conversation. */
  static restore(data: unknown, chatWrapper: string): Transcript {
    if (!isTranscriptData(data)) throw notRestorable("it is of a stream, and not of a chat", data);
    if (data.chatWrapper !== chatWrapper)
      throw notRestorable(`its chat wrapper is ${data.chatWrapper}, and this is ${chatWrapper}`, data);
    const transcript = new Transcript(chatWrapper, data.systemPrompt ?? undefined);
    transcript.count = data.count;
    transcript.endsWithAnswer = data.endsWithAnswer;
    transcript.#exchanges = data.exchanges.map((exchange) => ({ ...exchange }));
    return transcript;
  }

  get systemPrompt(): string | undefined {
    return this.#systemPrompt;
  }

  /** The last exchange that can be gone back to. */
  get last(): Exchange | undefined {
    return this.#exchanges.at(-1);
  }

  /** A new exchange, whose answer is still to come. */
  begin(exchange: Omit<Exchange, "number" | "answer">): Exchange {
    const begun = { ...exchange, number: this.count, answer: "" };
    this.#exchanges.push(begun);
    this.count += 1;
    this.endsWithAnswer = true;
    return begun;
  }

  /** Forgets the last exchange; what the stream then ends with is for the caller to say. */
  takeBack(endsWithAnswer: boolean): void {
    this.#exchanges.pop();
    this.count -= 1;
    this.endsWithAnswer = endsWithAnswer;
  }

  clear(): void {
    this.#exchanges = [];
    this.count = 0;
    this.endsWithAnswer = false;
  }

  /** The exchanges that evicted tokens belonged to, and how many tokens each has left; all are stream positions, ascending. */
  touchedBy(
    evicted: Float64Array,
    live: Float64Array,
  ): { readonly number: number; readonly tokensLeft: number }[] {
    const first = evicted[0] ?? Infinity;
    // What lies before was evicted long ago: an endless conversation must not be searched from its beginning.
    const from = Math.max(
      0,
      this.#exchanges.findLastIndex(({ start }) => start <= first),
    );
    return this.#exchanges.slice(from).flatMap(({ number, start }, index) => {
      const end = this.#exchanges[from + index + 1]?.start ?? Infinity;
      const isWithin = (position: number): boolean => start <= position && position < end;
      return evicted.some(isWithin) ? [{ number, tokensLeft: live.filter(isWithin).length }] : [];
    });
  }

  /** Forgets the exchanges that have nothing left in the cache, but for the last. */
  forgetEvicted(touched: readonly { readonly number: number; readonly tokensLeft: number }[]): void {
    const gone = new Set(touched.flatMap(({ number, tokensLeft }) => (tokensLeft === 0 ? [number] : [])));
    this.#exchanges = this.#exchanges.filter(({ number }) => number === this.count - 1 || !gone.has(number));
  }

  history(): ChatHistoryItem[] {
    const system: ChatHistoryItem[] =
      this.#systemPrompt === undefined ? [] : [{ type: "system", text: this.#systemPrompt }];
    return [
      ...system,
      ...this.#exchanges.flatMap(({ message, answer }): ChatHistoryItem[] => [
        { type: "user", text: message },
        { type: "model", response: [answer] },
      ]),
    ];
  }

  toData(): TranscriptData {
    return {
      kind: "chat",
      version: 1,
      chatWrapper: this.#chatWrapper,
      systemPrompt: this.#systemPrompt ?? null,
      count: this.count,
      endsWithAnswer: this.endsWithAnswer,
      exchanges: this.#exchanges.map((exchange) => ({ ...exchange })),
    };
  }
}

/** The snapshot's digest vouches for the rest: a file that says what it is was written by {@link Transcript.toData}. */
function isTranscriptData(data: unknown): data is TranscriptData {
  if (typeof data !== "object" || data === null) return false;
  const { kind, version, exchanges } = data as Partial<Record<keyof TranscriptData, unknown>>;
  return kind === "chat" && version === 1 && Array.isArray(exchanges);
}

function notRestorable(problem: string, value: unknown): KVPolicyError<"config"> {
  return new KVPolicyError({
    code: "config",
    message: `The snapshot cannot be gone on from as a chat: ${problem}.`,
    details: { option: "restore", value },
  });
}
