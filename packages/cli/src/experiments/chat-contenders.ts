import type { ChatContender, MeasuredAnswer, MeasuredChat } from "@kvpolicy/bench";
import { KVPolicyError } from "@kvpolicy/core";
import { estimateMemory, findTokens, openChat, type Chat } from "@kvpolicy/llamacpp-adapter";
import { LlamaChatSession, type ChatHistoryItem, type LlamaContext, type LlamaModel } from "node-llama-cpp";

import type { CommonOptions } from "../common-options.js";
import type { PolicySpec } from "../policy-spec.js";
import { countCutExchanges } from "./count-cut-exchanges.js";

/** What both ways to hold a conversation have in common. */
export interface ChatContenderOptions extends Pick<CommonOptions, "keys" | "values" | "threads"> {
  /** The model. */
  readonly model: LlamaModel;
  /** Cells. */
  readonly budget: number;
  /** What the model is told first. */
  readonly systemPrompt: string;
}

/** `openChat` with a policy: each turn adds what is new, and the policy says what leaves. */
export function createPolicyChat(policy: PolicySpec, options: ChatContenderOptions): ChatContender {
  const { model, budget, systemPrompt, keys, values } = options;
  return {
    name: "kvpolicy",
    description: `openChat with ${policy.name}`,
    open: async (onWarning) => {
      const left = new Map<number, number>();
      const chat = await openChat(model, {
        policy: policy.create({ findTokens: (isWanted) => findTokens(model, isWanted), budget }),
        budget,
        systemPrompt,
        keyType: keys,
        valueType: values,
        threads: threadsOf(options),
        onWarning: ({ message }) => {
          onWarning(message);
        },
        onEvict: ({ exchanges }) => {
          for (const { number, tokensLeft } of exchanges) left.set(number, tokensLeft);
        },
      });
      return measurePolicyChat(chat, () => [...left.values()].filter((tokens) => tokens > 0).length);
    },
  };
}

function measurePolicyChat(chat: Chat, countCuts: () => number): MeasuredChat {
  const { stream } = chat;
  return {
    cells: stream.budget,
    contextBytes: stream.contextBytes,
    ask: async (question, { maxTokens, signal, onText }) => {
      const { evictions } = stream.stats;
      const { responseText, stopReason, usage } = await chat.promptWithMeta(question, {
        maxTokens,
        signal,
        onTextChunk: onText,
      });
      return {
        answer: responseText,
        promptTokens: usage.input,
        answerTokens: usage.output,
        evaluatedTokens: usage.evaluated,
        evictions: stream.stats.evictions - evictions,
        cutExchanges: countCuts(),
        end: stopReason,
      };
    },
    dispose: () => chat.dispose(),
  };
}

/** node-llama-cpp's own chat with its default context shift, on a context like that of the other. */
export function createSession(options: ChatContenderOptions): ChatContender {
  return {
    name: "LlamaChatSession",
    description: "node-llama-cpp's own chat with its default context shift",
    open: () =>
      nameFailure("createContext", async () => {
        const context = await openContext(options);
        try {
          return await measureSession(context, options);
        } catch (error) {
          await context.dispose();
          throw error;
        }
      }),
  };
}

function openContext({
  model,
  budget,
  keys,
  values,
  ...options
}: ChatContenderOptions): Promise<LlamaContext> {
  return model.createContext({
    contextSize: budget,
    // As `openChat` has it.
    batchSize: Math.min(512, Math.ceil(budget / 256) * 256),
    sequences: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: keys,
    experimentalKvCacheValueType: values,
    threads: threadsOf({ model, ...options }),
    failedCreationRemedy: false,
  });
}

async function measureSession(
  context: LlamaContext,
  { model, budget, systemPrompt, keys, values }: ChatContenderOptions,
): Promise<MeasuredChat> {
  let shifts = 0;
  const sequence = context.getSequence();
  const session = new LlamaChatSession({
    contextSequence: sequence,
    systemPrompt,
    contextShift: {
      // The default, which is asked for at each shift.
      size: ({ context: { contextSize } }) => {
        shifts += 1;
        return Math.max(1, Math.floor(contextSize / 10));
      },
    },
  });
  const { ram, vram } = await estimateMemory(model, { budget, keyType: keys, valueType: values });
  return {
    cells: context.contextSize,
    contextBytes: ram + vram,
    ask: (question, { maxTokens, signal, onText }) =>
      nameFailure("prompt", async (): Promise<MeasuredAnswer> => {
        const [shiftsBefore, meter] = [shifts, sequence.tokenMeter.getState()];
        let answerTokens = 0;
        const { responseText, stopReason } = await session.promptWithMeta(question, {
          maxTokens,
          ...(signal && { signal }),
          onTextChunk: onText,
          onToken: (tokens) => {
            answerTokens += tokens.length;
          },
        });
        // What is decoded counts as input or as output, never as both, and a session moves no cells, which would count too.
        const { usedInputTokens, usedOutputTokens } = sequence.tokenMeter.diff(meter);
        return {
          answer: responseText,
          promptTokens: countPromptTokens(session, question),
          answerTokens,
          evaluatedTokens: usedInputTokens + usedOutputTokens,
          evictions: shifts - shiftsBefore,
          cutExchanges: countCutExchanges(
            session.getLastEvaluationContextWindow() ?? [],
            session.getChatHistory(),
          ),
          end: stopReason,
        };
      }),
    dispose: () => context.dispose(),
  };
}

/** Stands for the conversation so far: what a message adds does not depend on it. */
const SO_FAR: readonly ChatHistoryItem[] = [
  { type: "user", text: "." },
  { type: "model", response: ["."] },
];

/** What a message adds to a conversation: the end of the answer before it, the template's text and the message. */
function countPromptTokens({ chatWrapper, model }: LlamaChatSession, question: string): number {
  const count = (chatHistory: ChatHistoryItem[]): number =>
    chatWrapper.generateContextState({ chatHistory }).contextText.tokenize(model.tokenizer).length;
  const withQuestion = count([...SO_FAR, { type: "user", text: question }, { type: "model", response: [] }]);
  return withQuestion - count([...SO_FAR]);
}

/** As many as `openChat` takes by itself: node-llama-cpp takes at least four, which wait for each other where there are fewer cores. */
function threadsOf({
  model: {
    llama: { cpuMathCores, maxThreads },
  },
  threads,
}: Pick<ChatContenderOptions, "model" | "threads">): number {
  return threads ?? Math.min(cpuMathCores, maxThreads || cpuMathCores);
}

/** Errors of node-llama-cpp as typed ones: a context shift that is impossible, say. */
async function nameFailure<Result>(operation: string, task: () => Promise<Result>): Promise<Result> {
  try {
    return await task();
  } catch (cause) {
    if (KVPolicyError.isInstance(cause)) throw cause;
    throw new KVPolicyError({
      code: "backend-failed",
      message: cause instanceof Error ? cause.message : String(cause),
      details: { operation, appended: 0 },
      cause,
    });
  }
}
