import { KVPolicyError } from "@kvpolicy/core";
import {
  LlamaText,
  SpecialTokensText,
  type ChatHistoryItem,
  type ChatWrapper,
  type LlamaModel,
  type Token,
} from "node-llama-cpp";

import { tokenizeBehind } from "./tokenize-behind.js";

/** Stand for texts in a rendering, so that it can be cut there. Plain letters pass every template unchanged. */
const QUESTION = "KVPOLICYQUESTIONMARKER";
const ANSWER = "KVPOLICYANSWERMARKER";
const NEXT_ANSWER = "KVPOLICYNEXTANSWERMARKER";

/** What a turn adds to the stream. */
export interface TurnTokens {
  /** What closes the answer before: its end-of-turn token, say. Belongs to the exchange before; none in front of the first. */
  readonly closing: readonly Token[];
  /** The user's message, up to the first word of the answer: what a template has every answer begin with is part of it. */
  readonly opening: readonly Token[];
}

/**
 * A model's chat template as what each turn adds to it, so that nothing is ever rendered or read twice. The template is asked for a
 * short history that ends with the new turn, and what lies behind the answer before it is taken.
 */
export class ChatTemplate {
  /** Tokens in front of the first exchange: a beginning-of-sequence token and the system prompt, as the template has them. */
  readonly head: readonly Token[];
  /** What ends an answer, beside the model's own end-of-generation tokens. */
  readonly stopTriggers: readonly LlamaText[];
  readonly #model: LlamaModel;
  readonly #wrapper: ChatWrapper;
  readonly #beginning: readonly ChatHistoryItem[];
  readonly #closing: readonly Token[];

  /**
   * @throws {KVPolicyError} `unsupported` when the template leaves out what is to be said.
   */
  constructor(model: LlamaModel, wrapper: ChatWrapper, systemPrompt: string | undefined) {
    this.#model = model;
    this.#wrapper = wrapper;
    this.#beginning = systemPrompt === undefined ? [] : wrapper.generateInitialChatHistory({ systemPrompt });

    const between = this.#cutAt(QUESTION, this.#renderNext(QUESTION)).before;
    const beginning = this.#render([...this.#beginning, ...turn(QUESTION, ANSWER)]);
    const bare = this.#render(turn(QUESTION, ANSWER));
    const betweenTokens = this.#tokenize(between, true);
    this.stopTriggers = beginning.stopTriggers;
    this.#closing = this.#findClosing(
      betweenTokens,
      this.#tokenize(this.#cutAt(QUESTION, bare.text).before, false),
    );
    this.head = withoutSuffix(
      this.#tokenize(this.#cutAt(QUESTION, beginning.text).before, false),
      betweenTokens.slice(this.#closing.length),
    );
  }

  /** What the first message adds behind {@link ChatTemplate.head}. */
  firstTurn(message: string): TurnTokens {
    const tokens = this.#tokenize(this.#renderFirst(message), false);
    if (startsWith(tokens, this.head)) return { closing: [], opening: tokens.slice(this.head.length) };
    // The tokenizer merged across the border: the message gets tokens of its own.
    const { before, after } = this.#cutAt(
      QUESTION,
      this.#render([...this.#beginning, ...turn(QUESTION, ANSWER)]).text,
    );
    const opening = this.#tokenize(before, false).slice(this.head.length);
    const rest = this.#tokenize(LlamaText([message, ...after.values]), true);
    return { closing: [], opening: [...opening, ...rest] };
  }

  /** What a message adds behind an answer. */
  nextTurn(message: string): TurnTokens {
    const tokens = this.#tokenize(this.#renderNext(message), true);
    const cut = startsWith(tokens, this.#closing) ? this.#closing.length : 0;
    return { closing: tokens.slice(0, cut), opening: tokens.slice(cut) };
  }

  /**
   * The tokens between an answer and a message that belong to the answer: up to its end-of-turn token and the white space behind
   * that. A template without such a token closes with whatever a first message has not in front of it.
   */
  #findClosing(between: readonly Token[], first: readonly Token[]): Token[] {
    const model = this.#model;
    const stops = this.stopTriggers.map((trigger) => this.#tokenize(trigger, true));
    const endsTurn = (token: Token): boolean =>
      model.isEogToken(token) || stops.some((stop) => stop.length === 1 && stop[0] === token);
    const end = between.findLastIndex(endsTurn) + 1;
    if (end === 0) return withoutSuffix(between, commonSuffix(between, first));
    const rest = between.slice(end);
    const spaces = rest.findIndex((token) => model.detokenize([token], true).trim() !== "");
    return spaces < 0 ? [...between] : between.slice(0, end + spaces);
  }

  /** The beginning up to the first answer. */
  #renderFirst(message: string): LlamaText {
    const answer = markerBeside(message, ANSWER);
    return this.#cutAt(answer, this.#render([...this.#beginning, ...turn(message, answer)]).text).before;
  }

  /** What lies between an answer and the next when this is the message between them. */
  #renderNext(message: string): LlamaText {
    const [answer, next] = [markerBeside(message, ANSWER), markerBeside(message, NEXT_ANSWER)];
    const { text } = this.#render([...turn("Hello.", answer), ...turn(message, next)]);
    return this.#cutAt(next, this.#cutAt(answer, text).after).before;
  }

  #render(chatHistory: ChatHistoryItem[]): { text: LlamaText; stopTriggers: LlamaText[] } {
    const { contextText, stopGenerationTriggers } = this.#wrapper.generateContextState({ chatHistory });
    return {
      text: LlamaText(contextText),
      stopTriggers: stopGenerationTriggers.map((text) => LlamaText(text)),
    };
  }

  #cutAt(marker: string, { values }: LlamaText): { before: LlamaText; after: LlamaText } {
    for (const [index, value] of [...values.entries()].reverse()) {
      const text = typeof value === "string" ? value : value instanceof SpecialTokensText ? value.value : "";
      const start = text.lastIndexOf(marker);
      if (start < 0) continue;
      const sameKind = (part: string): string | SpecialTokensText =>
        typeof value === "string" ? part : new SpecialTokensText(part);
      return {
        before: LlamaText([...values.slice(0, index), sameKind(text.slice(0, start))]),
        after: LlamaText([sameKind(text.slice(start + marker.length)), ...values.slice(index + 1)]),
      };
    }
    const what = marker.startsWith(QUESTION) ? "the user's message" : "an answer";
    throw new KVPolicyError({
      code: "unsupported",
      message: `The chat wrapper ${this.#wrapper.wrapperName} leaves out ${what}: only what a turn adds can be read, and that cannot be told.`,
      details: { feature: "openChat", reason: `${this.#wrapper.wrapperName} leaves out ${what}` },
    });
  }

  #tokenize(text: LlamaText, isBehindOthers: boolean): Token[] {
    return isBehindOthers ? tokenizeBehind(this.#model, text) : text.tokenize(this.#model.tokenizer);
  }
}

/** A marker that the message does not contain, for whoever pastes this file. */
function markerBeside(message: string, marker: string): string {
  return message.includes(marker) ? markerBeside(message, `${marker}X`) : marker;
}

function turn(message: string, answer: string): ChatHistoryItem[] {
  return [
    { type: "user", text: message },
    { type: "model", response: [answer] },
  ];
}

function commonSuffix(one: readonly Token[], other: readonly Token[]): Token[] {
  let length = 0;
  while (length < Math.min(one.length, other.length) && one.at(-1 - length) === other.at(-1 - length))
    length += 1;
  return one.slice(one.length - length);
}

function startsWith(tokens: readonly Token[], prefix: readonly Token[]): boolean {
  return prefix.every((token, index) => tokens[index] === token);
}

/** The tokens without these at their end, when they are there. */
function withoutSuffix(tokens: readonly Token[], suffix: readonly Token[]): Token[] {
  const length = tokens.length - suffix.length;
  const isThere = length >= 0 && suffix.every((token, index) => tokens[length + index] === token);
  return tokens.slice(0, isThere ? length : tokens.length);
}
