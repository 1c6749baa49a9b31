import { checkCount, KVPolicyError, TURN_MARK, type CacheStream, type EvictionEvent } from "@kvpolicy/core";
import {
  LlamaText,
  type ChatHistoryItem,
  type ChatWrapper,
  type LlamaModel,
  type Token,
} from "node-llama-cpp";

import type { LlamaStream } from "../open-stream.js";
import type { Chat, ChatEvictionEvent, ChatReply, ChatUsage, PromptOptions } from "./chat.js";
import { createSampling } from "./chat-sampling.js";
import type { ChatTemplate } from "./chat-template.js";
import { StopDetector, type Stop } from "./stop-detector.js";
import { tokenizeBehind } from "./tokenize-behind.js";
import type { Exchange, Transcript } from "./transcript.js";

/** What a {@link StreamChat} stands on. */
export interface StreamChatParts {
  /** The model, for its tokens. */
  readonly model: LlamaModel;
  /** The stream, which the chat owns. */
  readonly stream: LlamaStream;
  /** The template that the user may read. */
  readonly wrapper: ChatWrapper;
  /** The same as what each turn adds. */
  readonly template: ChatTemplate;
  /** What was said so far. */
  readonly transcript: Transcript;
  /** Brings the empty stream to where a conversation begins. */
  readonly begin: () => Promise<void>;
  /** Whether the transcript keeps what was evicted. */
  readonly keepHistory: boolean;
  /** Told of evictions. */
  readonly onEvict: ((event: ChatEvictionEvent) => void) | undefined;
}

/** A conversation over a stream. */
export class StreamChat implements Chat {
  readonly stream: LlamaStream;
  readonly chatWrapper: ChatWrapper;
  readonly #parts: StreamChatParts;
  readonly #transcript: Transcript;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: StreamChatParts) {
    this.#parts = parts;
    this.stream = parts.stream;
    this.chatWrapper = parts.wrapper;
    this.#transcript = parts.transcript;
    this.stream.onEvict((event) => {
      this.#noteEviction(event);
    });
  }

  async prompt(message: string, options?: PromptOptions): Promise<string> {
    const { responseText } = await this.promptWithMeta(message, options);
    return responseText;
  }

  promptWithMeta(message: string, options: PromptOptions = {}): Promise<ChatReply> {
    return this.#inTurn(async () => {
      checkOptions(options);
      const { stream } = this;
      const { template } = this.#parts;
      const transcript = this.#transcript;
      const { closing, opening } =
        transcript.count === 0 ? template.firstTurn(message) : template.nextTurn(message);
      const tokens = transcript.endsWithAnswer ? [...closing, ...opening] : opening;
      const undoTo = stream.position;
      const answerStart = undoTo + tokens.length;
      const start = answerStart - opening.length;
      const meter = new UsageMeter(stream);
      stream.mark(TURN_MARK, { start, end: start + 1 });
      const hadAnswer = transcript.endsWithAnswer;
      const exchange = transcript.begin({ undoTo, start, answerStart, message });
      try {
        await stream.append(tokens, { signal: options.signal });
        return await this.#answer(exchange, options, meter, tokens.length);
      } catch (error) {
        await this.#try(() => this.#takeBack(undoTo, hadAnswer));
        throw error;
      }
    });
  }

  regenerate(options: PromptOptions = {}): Promise<ChatReply> {
    return this.#inTurn(async () => {
      checkOptions(options);
      const exchange = this.#lastExchange();
      const { answer, answerStart } = exchange;
      await this.stream.truncate(answerStart);
      const meter = new UsageMeter(this.stream);
      exchange.answer = "";
      try {
        return await this.#answer(exchange, options, meter, 0);
      } catch (error) {
        await this.#try(async () => {
          await this.stream.truncate(answerStart);
          exchange.answer = answer;
          await this.#append(answer);
        });
        throw error;
      }
    });
  }

  undo(): Promise<{ readonly exact: boolean }> {
    return this.#inTurn(() => this.#takeBack(this.#lastExchange().undoTo, this.#transcript.count > 1));
  }

  getChatHistory(): ChatHistoryItem[] {
    return this.#transcript.history();
  }

  resetChatHistory(): Promise<void> {
    return this.#inTurn(async () => {
      await this.stream.clear();
      this.#transcript.clear();
      await this.#parts.begin();
    });
  }

  save(path: string): Promise<void> {
    return this.#inTurn(() => this.stream.save(path, { extra: this.#transcript.toData() }));
  }

  async dispose(): Promise<void> {
    await this.stream.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Generates behind what is in the stream, until something ends it. */
  async #answer(
    exchange: Exchange,
    options: PromptOptions,
    meter: UsageMeter,
    input: number,
  ): Promise<ChatReply> {
    const { stream } = this;
    const { model, template } = this.#parts;
    const {
      onTextChunk,
      onToken,
      signal,
      stopOnAbortSignal = false,
      maxTokens = stream.budget,
      responsePrefix = "",
      trimWhitespaceSuffix = options.grammar?.trimWhitespaceSuffix ?? false,
      customStopTriggers = [],
      ...sampling
    } = options;
    const answer: Token[] = [];
    const detector = new StopDetector(model, [
      ...template.stopTriggers,
      ...(options.grammar?.stopGenerationTriggers ?? []),
      ...customStopTriggers,
    ]);
    const release = (text: string): void => {
      exchange.answer += text;
      if (text !== "") onTextChunk?.(text);
    };
    if (responsePrefix !== "") {
      await this.#append(responsePrefix, signal);
      release(responsePrefix);
    }
    const answerStart = stream.position;
    const generation = stream.generate({ ...createSampling(model, sampling, answer), maxTokens, signal });
    const finish = (stopReason: ChatReply["stopReason"], stop?: Stop): ChatReply => {
      if (trimWhitespaceSuffix) exchange.answer = exchange.answer.trimEnd();
      return {
        responseText: exchange.answer,
        stopReason,
        customStopTrigger: stopReason === "customStopTrigger" ? stop?.trigger : undefined,
        usage: meter.read(input + (answerStart - exchange.answerStart), answer.length),
      };
    };
    try {
      for (;;) {
        const step = await generation.next();
        if (step.done) {
          release(detector.finish(step.value.text));
          return finish(step.value.reason === "end" ? "eogToken" : "maxTokens");
        }
        const { token, text } = step.value;
        answer.push(token as Token);
        onToken?.([token as Token]);
        const { release: released, stop } = detector.push(token, text);
        release(released);
        if (!stop) continue;
        await this.#try(async () => {
          await stream.truncate(answerStart + stop.tokenCount);
          await this.#append(stop.rest);
        });
        const isCustom = customStopTriggers.includes(stop.trigger);
        return finish(isCustom ? "customStopTrigger" : "stopGenerationTrigger", stop);
      }
    } catch (error) {
      const isStopped = stopOnAbortSignal && signal?.aborted === true && error === signal.reason;
      if (!isStopped || answer.length === 0) throw error;
      release(detector.finish(""));
      return finish("abort");
    } finally {
      await generation.return({ reason: "length", text: "" });
    }
  }

  /**
   * Forgets the exchange that began at a position, with its cells. Whether an answer is then left to be closed depends on evictions;
   * `hadAnswer` says whether there ever was one.
   */
  async #takeBack(undoTo: number, hadAnswer: boolean): Promise<{ readonly exact: boolean }> {
    const { stream } = this;
    const transcript = this.#transcript;
    if (transcript.count === 1 && !this.#isLive(0, undoTo)) {
      // What a conversation begins with has lost cells: it is read again.
      await stream.clear();
      transcript.takeBack(false);
      await this.#parts.begin();
      return { exact: true };
    }
    const endsWithAnswer = hadAnswer && this.#isLive(undoTo - 1, undoTo);
    const isThere = stream.position > undoTo;
    const result = isThere ? await stream.truncate(undoTo) : { exact: true };
    transcript.takeBack(endsWithAnswer);
    return result;
  }

  /** Appends text behind what is there. */
  async #append(text: string, signal?: AbortSignal): Promise<void> {
    if (text === "") return;
    await this.stream.append(tokenizeBehind(this.#parts.model, LlamaText(text)), { signal });
  }

  /** Goes back where the model can; where it cannot, or the stream is broken, what was said stays. */
  async #try(task: () => Promise<unknown>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (!KVPolicyError.isInstance(error)) throw error;
    }
  }

  #lastExchange(): Exchange {
    const { last: exchange, count } = this.#transcript;
    if (count === 0) {
      throw new KVPolicyError({
        code: "empty",
        message: "There is no exchange to go back to: nothing was said yet.",
        details: { what: "conversation" },
      });
    }
    // One that has nothing left may be forgotten.
    const isLast = exchange?.number === count - 1;
    if (isLast && this.#isLive(exchange.start, exchange.answerStart)) return exchange;
    const { start, answerStart: end } = isLast ? exchange : { start: 0, answerStart: this.stream.position };
    throw new KVPolicyError({
      code: "evicted",
      message: "The last message has lost tokens to evictions: it cannot be taken back or answered again.",
      details: { start, end, position: this.stream.position },
    });
  }

  /** Whether every token of a range of stream positions is still there; the last of the stream may be held outside the cache. */
  #isLive(start: number, end: number): boolean {
    const { positions } = this.stream.cells();
    const cells = end === this.stream.position ? end - 1 : end;
    if (cells <= start) return true;
    const first = positions.indexOf(start);
    return first >= 0 && positions[first + (cells - start) - 1] === cells - 1;
  }

  #noteEviction(event: EvictionEvent): void {
    const { model, onEvict, keepHistory } = this.#parts;
    const { positions } = this.stream.cells();
    const exchanges = this.#transcript.touchedBy(event.positions, positions);
    if (!keepHistory) this.#transcript.forgetEvicted(exchanges);
    onEvict?.({ ...event, text: model.detokenize([...event.tokens] as Token[], true), exchanges });
  }

  /** One turn after the other. */
  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** Options of `LlamaChatSession.prompt()` that would wait for calls that never come, or limit what is not told apart. */
const UNSUPPORTED = [
  ...["functions", "onFunctionCallParamsChunk", "documentFunctionParams", "maxParallelFunctionCalls"],
  ...["onResponseChunk", "budgets"],
];

/** Refuses what cannot work before anything is changed. */
function checkOptions(options: PromptOptions): void {
  options.signal?.throwIfAborted();
  if (options.maxTokens !== undefined) checkCount("prompt", "maxTokens", options.maxTokens, 0);
  const given = options as Readonly<Record<string, unknown>>;
  const feature = UNSUPPORTED.find((option) => given[option] !== undefined);
  if (feature === undefined) return;
  throw new KVPolicyError({
    code: "unsupported",
    message: `prompt does not know the option ${feature}: leave it out, or use LlamaChatSession.`,
    details: { feature, reason: "a chat over a stream calls no functions and tells no segments apart" },
  });
}

/** Counts what a turn costs from the stream's own counters. */
class UsageMeter {
  readonly #stream: CacheStream<never>;
  readonly #cached: number;
  readonly #before: { readonly evaluated: number; readonly evicted: number };

  constructor(stream: CacheStream<never>) {
    this.#stream = stream;
    this.#cached = stream.length;
    this.#before = this.#count();
  }

  read(input: number, output: number): ChatUsage {
    const { evaluated, evicted } = this.#count();
    return {
      input,
      output,
      cached: this.#cached,
      evaluated: evaluated - this.#before.evaluated,
      evicted: evicted - this.#before.evicted,
    };
  }

  #count(): { evaluated: number; evicted: number } {
    const { tokens, recomputedTokens, evictedTokens } = this.#stream.stats;
    return { evaluated: tokens + recomputedTokens, evicted: evictedTokens };
  }
}
