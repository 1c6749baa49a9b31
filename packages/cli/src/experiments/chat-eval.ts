import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";

import { builtInQuestions, measureChatEval, readQuestions, type ChatEvalOptions } from "@kvpolicy/bench";
import { Option } from "commander";
import { z } from "zod";

import { CHAT_DEFAULTS } from "../chat-options.js";
import { COMMON_DEFAULTS, type CommonOptions } from "../common-options.js";
import type { ExperimentCommand } from "../experiment-command.js";
import { firstProblem, wholeNumber } from "../option-schemas.js";
import { parsePolicySpec, type PolicySpec } from "../policy-spec.js";
import { badOption } from "../report-error.js";
import { createPolicyChat, createSession } from "./chat-contenders.js";

/** What is taken when an option is left out. */
export const CHAT_EVAL_DEFAULTS = {
  maxTokens: 64,
  budget: 1024,
  system: "You are a helpful assistant.",
} as const;

/** The checked options of `kvpolicy chat-eval` that are its own. */
export interface ChatEvalCommandOptions {
  /** File of questions; undefined for those in the box. */
  readonly questions: string | undefined;
  /** Turns to ask; undefined for all. */
  readonly turns: number | undefined;
  /** Most tokens of an answer. */
  readonly maxTokens: number;
  /** Cells; undefined for the default, or the trained length where that is less. */
  readonly budget: number | undefined;
  /** Which tokens stay. */
  readonly policy: PolicySpec;
  /** What the model is told first. */
  readonly system: string;
  /** Whether node-llama-cpp's own chat takes part. */
  readonly session: boolean;
}

const rawSchema = z.object({
  model: z.string().optional(),
  questions: z.string().min(1, { error: "must name a file" }).optional(),
  turns: wholeNumber(1).optional(),
  maxTokens: wholeNumber(1),
  budget: wholeNumber(1).optional(),
  policy: z.string(),
  system: z.string().refine((text) => text.trim() !== "", { error: "must say something" }),
  session: z.boolean().default(true),
});

/**
 * Checks the options of `kvpolicy chat-eval`.
 *
 * @throws {KVPolicyError} `config`, with the option's name, for the first that cannot work.
 */
export async function parseChatEvalOptions(
  raw: unknown,
  common: Pick<CommonOptions, "model">,
): Promise<ChatEvalCommandOptions> {
  const parsed = rawSchema.safeParse(raw);
  if (!parsed.success) throw firstProblem(raw, parsed.error);
  const { model, questions, turns, budget, policy, ...rest } = parsed.data;
  if (model === undefined && common.model === COMMON_DEFAULTS.model) {
    const message = "--model is missing: a chat takes a model that was trained for it, and none comes along.";
    throw badOption("model", undefined, message);
  }
  return { ...rest, questions, turns, budget, policy: await parsePolicySpec(policy, undefined, budget) };
}

/** Reads the questions of a file, or those in the box. */
async function loadQuestions(path: string | undefined): Promise<ChatEvalOptions["questions"]> {
  if (path === undefined) {
    const sha256 = hash(JSON.stringify(builtInQuestions));
    return { name: "built-in questions", sha256, questions: builtInQuestions };
  }
  const name = basename(path);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message.replaceAll(path, name) : String(cause);
    throw badOption("questions", name, `The questions ${name} cannot be read: ${reason}.`, cause);
  });
  return { name, sha256: hash(text), questions: readQuestions(text) };
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** `kvpolicy chat-eval`. */
export const chatEvalCommand: ExperimentCommand = {
  name: "chat-eval",
  description:
    "What a turn costs in a conversation that outgrows its cache, against node-llama-cpp's own LlamaChatSession.",
  options: [
    new Option(
      "--questions <file>",
      'JSON lines as MT-bench has them, {"question_id": 1, "category": "…", "turns": ["…", "…"]} (default: 24 questions of two turns)',
    ),
    new Option("--turns <count>", "messages to ask, the questions again and again (default: all, once)"),
    new Option("--max-tokens <count>", "most tokens of an answer").default(
      String(CHAT_EVAL_DEFAULTS.maxTokens),
    ),
    new Option(
      "--budget <cells>",
      `cells of each conversation (default: ${CHAT_EVAL_DEFAULTS.budget}, or the trained length where that is less)`,
    ),
    new Option("--policy <spec>", "which cached tokens stay").default(CHAT_DEFAULTS.policy),
    new Option("--system <text>", "what the model is told first; its cells are pinned").default(
      CHAT_EVAL_DEFAULTS.system,
    ),
    new Option("--no-session", "leave LlamaChatSession out"),
  ],
  prepare: async (raw, common) => {
    const options = await parseChatEvalOptions(raw, common);
    const { turns, maxTokens, policy, system, session } = options;
    const questions = await loadQuestions(options.questions);
    return (laboratory) => {
      const { loaded } = laboratory;
      const budget = options.budget ?? Math.min(CHAT_EVAL_DEFAULTS.budget, loaded.model.trainContextSize);
      const { keys, values, threads } = common;
      const contender = { model: loaded.model, budget, systemPrompt: system, keys, values, threads };
      return measureChatEval({
        ...laboratory,
        contenders: [createPolicyChat(policy, contender), ...(session ? [createSession(contender)] : [])],
        questions,
        turns,
        maxTokens,
        budget,
        systemPrompt: system,
        seed: common.seed,
      });
    };
  },
};
