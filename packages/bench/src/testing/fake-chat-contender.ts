import { KVPolicyError } from "@kvpolicy/core";

import type { ChatContender } from "../experiments/chat-eval/chat-contender.js";
import type { FakeClock } from "./fake-contender.js";

/** Options of {@link fakeChatContender}. */
export interface FakeChatOptions {
  /** Its name. */
  readonly name: string;
  /** The clock that its work moves. */
  readonly clock: FakeClock;
  /** Cells. Defaults to 100. */
  readonly cells?: number;
  /** Tokens of every message. Defaults to 10. */
  readonly promptTokens?: number;
  /** Whether everything that stays is evaluated again when something leaves. Defaults to false. */
  readonly evaluatesAgain?: boolean;
  /** Milliseconds that a token takes, by turn. Defaults to 1. */
  readonly tokenMilliseconds?: (turn: number) => number;
  /** Its answer to a turn. Defaults to one of as many pieces as tokens are allowed. */
  readonly answer?: (turn: number, maxTokens: number) => readonly string[];
  /** What it throws in a turn, counted from 0; −1 is when it is opened. */
  readonly failure?: { readonly turn: number; readonly error: Error };
  /** What it warns of when it is opened. */
  readonly warning?: string;
  /** Told of what is done to it. */
  readonly onCall?: (call: string) => void;
}

/** A conversation without a model: each token takes its time, and half of the cells leave when they are full. */
export function fakeChatContender(options: FakeChatOptions): ChatContender {
  const { name, clock, cells = 100, promptTokens = 10, evaluatesAgain = false, failure } = options;
  const { tokenMilliseconds = () => 1, onCall, warning } = options;
  const answerTo =
    options.answer ??
    ((turn, maxTokens) => Array.from({ length: maxTokens }, (_, piece) => `${turn}.${piece} `));
  const failIn = (turn: number): void => {
    if (failure?.turn === turn) throw failure.error;
  };
  return {
    name,
    description: "a fake",
    open: async (onWarning) => {
      await Promise.resolve();
      failIn(-1);
      if (warning !== undefined) onWarning(warning);
      let turn = -1;
      let used = 0;
      return {
        cells,
        contextBytes: cells * 2 ** 20,
        ask: async (question, { maxTokens, signal, onText }) => {
          turn += 1;
          onCall?.(`${name}: ${question}`);
          await Promise.resolve();
          failIn(turn);
          const pieces = answerTo(turn, maxTokens);
          let [evaluatedTokens, evictions] = [0, 0];
          const add = (): void => {
            if (used === cells) {
              used = Math.floor(cells / 2);
              evictions += 1;
              if (evaluatesAgain) {
                evaluatedTokens += used;
                clock.now += used * tokenMilliseconds(turn);
              }
            }
            used += 1;
            evaluatedTokens += 1;
            clock.now += tokenMilliseconds(turn);
          };
          for (let token = 0; token < promptTokens; token += 1) add();
          for (const piece of pieces) {
            signal?.throwIfAborted();
            if (piece !== "") onText();
            add();
          }
          return {
            answer: pieces.join(""),
            promptTokens,
            answerTokens: pieces.length,
            evaluatedTokens,
            evictions,
            cutExchanges: evictions,
            end: "maxTokens",
          };
        },
        dispose: async () => {
          await Promise.resolve();
          onCall?.(`${name} disposed`);
        },
      };
    },
  };
}

/** An error of a contender. */
export function chatFailure(message = "It does not fit."): KVPolicyError {
  return new KVPolicyError({
    code: "backend-failed",
    message,
    details: { operation: "prompt", appended: 0 },
  });
}
