import { join } from "node:path";

import type { ReproductionPart } from "@kvpolicy/bench";
import type { Option } from "commander";

import { COMMON_DEFAULTS, commonOptions, type CommonOptions } from "../common-options.js";
import type { ExperimentCommand, Laboratory } from "../experiment-command.js";
import { tokensForInterval } from "../readable-text.js";
import { describeCommand } from "../surroundings.js";
import { budgetsCommand } from "./budgets.js";
import { chatEvalCommand } from "./chat-eval.js";
import { latencyCommand } from "./latency.js";
import { perplexityCommand } from "./perplexity.js";
import { sinksCommand } from "./sinks.js";
import { soakCommand } from "./soak.js";
import { streamEvalCommand } from "./stream-eval.js";

/** How fast a model is with a full cache. */
export interface Pace {
  /** Milliseconds for a token that is read. */
  readonly read: number;
  /** Milliseconds for a token that is decoded alone. */
  readonly decode: number;
}

/** What the experiments of a reproduction have in common. */
export interface ReproductionPlan {
  /** Where they are run. */
  readonly laboratory: Laboratory;
  /** File to read; undefined for the built-in text. */
  readonly text: string | undefined;
  /** Smallest budget. */
  readonly budget: number;
  /** Cells freed by one eviction. */
  readonly stride: number;
  /** How fast the model is. */
  readonly pace: Pace;
}

const MOST_TOKENS = 20_000;
/** Tokens read behind the fill, at least. */
const FEWEST_BEHIND = 512;

/** Tokens of a line of the record, and how often it is read: by two policies, and again for the margins. */
const TOKENS_PER_LINE = 26;
const READINGS_PER_LINE = 10;
/** Budgets of the record: the first holds some lines, and the time goes with the budget. */
const RECORD_BUDGET = { least: 256, most: 512 };

/** Readings of `sinks` beside the random ones: five numbers of sinks and line breaks. */
const SINK_READINGS = 6;

const MOST_CHAT_BUDGET = 512;

/** Tokens of a pass of the soak: more than the blocks that its interval takes. */
const SHORTEST_PASS = 2816;
const LONGEST_PASS = 50_000;
const FEWEST_PASSES = 4;
const LONG_SOAK = 1_000_000;
/** The name of the checkpoint: `kvpolicy soak` has one of its own there, which may be hours of work. */
const CHECKPOINT = "reproduce-soak.snapshot";

/** The experiments of a reproduction, with sizes from the pace, in the order in which they are run. */
export function createReproductionParts(plan: ReproductionPlan): ReproductionPart[] {
  const { laboratory, budget, stride, pace, text } = plan;
  const { common, loaded } = laboratory;
  const textWords: Words = text === undefined ? {} : { text };
  const budgets = [budget, 2 * budget, 4 * budget];
  const largest = 4 * budget;
  const hasChat = loaded.model.fileInfo.metadata.tokenizer.chat_template !== undefined;
  return [
    createPart(plan, perplexityCommand, 22, (minutes) => {
      // Dense reads over ever more cells; recompute evaluates the survivors again, many at once.
      const readings = 5.5 + 1 + budget / stride / 2;
      const tokens = enough(fit(minutes, pace.read * readings), tokensForInterval(budget));
      return {
        ...(text !== undefined && { text: [text] }),
        budgets: String(budget),
        stride: String(stride),
        tokens: String(clamp(tokens, budget + FEWEST_BEHIND, MOST_TOKENS)),
      };
    }),
    createPart(plan, sinksCommand, 30, (minutes) => {
      const wanted = tokensForInterval(budget);
      // An interval matters more than a third draw of what is not to be used.
      const draws = clamp(Math.floor((fit(minutes, pace.read * wanted) - SINK_READINGS) / 2), 1, 3);
      const tokens = enough(fit(minutes, pace.read * (SINK_READINGS + 2 * draws)), wanted);
      return {
        ...textWords,
        budget: String(budget),
        stride: String(stride),
        draws: String(draws),
        tokens: String(clamp(tokens, budget + FEWEST_BEHIND, MOST_TOKENS)),
      };
    }),
    createPart(plan, budgetsCommand, 10, (minutes) => {
      const tokens = enough(fit(minutes, pace.read * 3.5), tokensForInterval(largest));
      return {
        ...textWords,
        budgets: budgets.join(),
        stride: String(stride),
        tokens: String(clamp(tokens, largest + FEWEST_BEHIND, MOST_TOKENS)),
      };
    }),
    createPart(plan, latencyCommand, 16, (minutes) => ({
      ...textWords,
      budgets: budgets.join(),
      minutes: String(Math.max(1, Math.round(minutes))),
      qualityTokens: "0",
    })),
    createPart(plan, streamEvalCommand, 16, (minutes) => {
      const lines = fit(minutes, pace.read * TOKENS_PER_LINE * READINGS_PER_LINE);
      return {
        budget: String(clamp(budget, RECORD_BUDGET.least, RECORD_BUDGET.most)),
        // Not the plan's: where many cells leave at once, the lines asked for are neither clearly inside of the cache nor outside.
        stride: String(common.defaults.stride),
        every: "5",
        lines: String(clamp(lines, 200, 400)),
      };
    }),
    createPart(
      plan,
      chatEvalCommand,
      5,
      (minutes) => ({
        maxTokens: "24",
        budget: String(Math.min(MOST_CHAT_BUDGET, loaded.model.trainContextSize)),
        turns: String(clamp(fit(minutes, pace.decode * 150), 4, 200)),
      }),
      hasChat ? undefined : "The model has no chat template.",
    ),
    createPart(plan, soakCommand, 4, (minutes) => {
      // The cache has to be full before the text begins again.
      const shortest = Math.max(SHORTEST_PASS, budget + 64);
      const tokens = clamp(fit(minutes, pace.read * 1.2), FEWEST_PASSES * passTokens(shortest), 4_000_000);
      return {
        ...textWords,
        budget: String(budget),
        stride: String(stride),
        tokens: String(tokens),
        passTokens: String(passTokens(clamp(tokens / 6, shortest, LONGEST_PASS))),
        // What a young stream has read is a soak of its own: only a long one is compared with it.
        rounds: tokens < LONG_SOAK ? "0" : "50",
        checkpoint: join(common.out, CHECKPOINT),
        fresh: true,
      };
    }),
  ];
}

/** Options as commander would have parsed them. */
type Words = Readonly<Record<string, string | readonly string[] | boolean>>;

/** An experiment of the reproduction: the command that one would type, whose line stands in its results. */
function createPart(
  { laboratory }: ReproductionPlan,
  command: ExperimentCommand,
  weight: number,
  wordsFor: (minutes: number) => Words,
  leftOut?: string,
): ReproductionPart {
  const { common } = laboratory;
  const defaults = Object.fromEntries(
    command.options.map((option) => [option.attributeName(), option.defaultValue as unknown]),
  );
  return {
    experiment: command.name as ReproductionPart["experiment"],
    weight,
    leftOut,
    run: async (minutes, options) => {
      const words = wordsFor(minutes);
      const run = await command.prepare({ ...defaults, ...words }, common);
      const line = describeCommand([
        ...["node", "kvpolicy", command.name],
        ...toArguments(command.options, words),
        ...toArguments(commonOptions(), commonWords(common)),
      ]);
      return run({ ...laboratory, ...options, surroundings: { ...options.surroundings, command: line } });
    },
  };
}

/** What the results of all experiments depend on; an option that is left out has its default. */
function commonWords({ model, isTiny, keys, values, threads, gpu, seed }: CommonOptions): Words {
  const { threads: usual } = isTiny ? COMMON_DEFAULTS.tiny : COMMON_DEFAULTS.other;
  return {
    model,
    keys,
    values,
    gpu: String(gpu),
    seed: String(seed),
    ...(threads !== undefined && threads !== usual && { threads: String(threads) }),
  };
}

/** The arguments that give options their words, without those that are the default. */
function toArguments(options: readonly Option[], words: Words): string[] {
  return options.flatMap((option) => {
    const value = words[option.attributeName()];
    const flag = option.long;
    if (value === undefined || value === option.defaultValue || !flag) return [];
    if (typeof value === "boolean") return [flag];
    return [value].flat().flatMap((one) => [flag, one]);
  });
}

/** Passes begin all over the usual strides, and not one token apart, which would look like a drift. */
function passTokens(about: number): number {
  return 64 * Math.floor(about / 64) + 7;
}

/** How many of something fit into the time. */
function fit(minutes: number, milliseconds: number): number {
  return Math.floor((minutes * 60_000) / milliseconds);
}

/** No more tokens than an interval takes, unless the time is there for many more. */
function enough(tokens: number, wanted: number): number {
  return tokens < 2 * wanted ? Math.min(tokens, wanted) : tokens;
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
