import {
  reproduce,
  type ExperimentOptions,
  type ExperimentResults,
  type MeasuredModel,
  type ReproductionPart,
} from "@kvpolicy/bench";
import { sinkWindow } from "@kvpolicy/sink-window";
import { Option } from "commander";
import { z } from "zod";

import type { CommonOptions } from "../common-options.js";
import type { ExperimentCommand, Laboratory } from "../experiment-command.js";
import { firstProblem, wholeNumber } from "../option-schemas.js";
import { strideOption } from "../policy-choices.js";
import { readableText, textName, textOption } from "../readable-text.js";
import { badOption } from "../report-error.js";
import { budgetsCommand } from "./budgets.js";
import { chatEvalCommand } from "./chat-eval.js";
import { latencyCommand } from "./latency.js";
import { perplexityCommand } from "./perplexity.js";
import { sinksCommand } from "./sinks.js";
import { soakCommand } from "./soak.js";
import { streamEvalCommand } from "./stream-eval.js";

const MINUTES = 15;
/** Recomputing at a shorter stride would take most of the time of a larger model. */
const STRIDE = 64;
const PACE_TOKENS = 256;
const DECODED_TOKENS = 24;
/** Tokens of a pass of the soak, more than the blocks that its interval takes, and no multiple of a stride. */
const SHORTEST_PASS = 2750;

/** Tokens of a line of the record, and how often it is read: by two policies, and again for the margins. */
const TOKENS_PER_LINE = 26;
const READINGS_PER_LINE = 10;
/** Cells that hold some lines. */
const SHORTEST_RECORD_BUDGET = 256;

const rawSchema = z.object({
  text: textName,
  minutes: wholeNumber(1),
  budget: wholeNumber(2).optional(),
  stride: wholeNumber(1).optional(),
});

/** `kvpolicy reproduce`: the paper, row by row. */
export const reproduceCommand: ExperimentCommand = {
  name: "reproduce",
  description:
    "Runs all experiments at a size that fits the time given, and puts the paper's figures beside ours.",
  options: [
    textOption(),
    new Option("--minutes <count>", "time for all of them").default(String(MINUTES)),
    new Option("--budget <cells>", "smallest budget (default: 128 for a tiny model, else 256)"),
    strideOption,
  ],
  prepare: async (raw, common) => {
    await Promise.resolve();
    const parsed = rawSchema.safeParse(raw);
    if (!parsed.success) throw firstProblem(raw, parsed.error);
    const { text, minutes } = parsed.data;
    if (text === "-")
      throw badOption("text", text, "--text must name a file here: several experiments read it.");
    const budget = parsed.data.budget ?? common.defaults.budget;
    const stride = parsed.data.stride ?? (common.isTiny ? common.defaults.stride : STRIDE);
    return async (laboratory) => {
      const pace = await measurePace(laboratory, text, budget, stride);
      const plan: Plan = { laboratory, common, text, budget, stride, pace };
      return reproduce({
        ...laboratory,
        parts: partsOf(plan),
        minutes,
        budget,
        stride,
        seed: common.seed,
        onResults: laboratory.save,
      });
    };
  },
};

interface Pace {
  /** Milliseconds for a token that is read. */
  readonly read: number;
  /** Milliseconds for a token that is decoded alone. */
  readonly decode: number;
}

interface Plan {
  readonly laboratory: Laboratory;
  readonly common: CommonOptions;
  readonly text: string | undefined;
  readonly budget: number;
  readonly stride: number;
  readonly pace: Pace;
}

/** How fast the model reads with a full cache, to fit the experiments into the time. */
async function measurePace(
  { model, loaded }: Laboratory,
  source: string | undefined,
  budget: number,
  stride: number,
): Promise<Pace> {
  const { tokens } = await readableText(loaded, source, budget + PACE_TOKENS + DECODED_TOKENS);
  await using stream = await openQuietly(model, budget, stride);
  const [filled, read] = [Math.min(budget, tokens.length), Math.min(budget + PACE_TOKENS, tokens.length)];
  await stream.append(tokens.subarray(0, filled));
  const begun = performance.now();
  await stream.score(tokens.subarray(filled, read));
  const middle = performance.now();
  for (let index = read; index < tokens.length; index += 1)
    await stream.append(tokens.subarray(index, index + 1));
  const decoded = Math.max(1, tokens.length - read);
  return {
    read: (middle - begun) / Math.max(1, read - filled),
    decode: (performance.now() - middle) / decoded,
  };
}

function openQuietly(
  model: MeasuredModel,
  budget: number,
  stride: number,
): ReturnType<MeasuredModel["open"]> {
  return model.open({ policy: sinkWindow({ stride }), budget, onWarning: () => undefined });
}

/** The experiments, with sizes from the pace. */
function partsOf(plan: Plan): ReproductionPart[] {
  const { common, laboratory, budget, stride, pace, text } = plan;
  const textWords = text === undefined ? {} : { text };
  const budgets = [budget, 2 * budget, 4 * budget];
  const fits = ({ minutes, milliseconds }: { minutes: number; milliseconds: number }): number =>
    Math.floor((minutes * 60_000) / milliseconds);
  const hasChat = laboratory.loaded.model.fileInfo.metadata.tokenizer.chat_template !== undefined;
  return [
    part(plan, perplexityCommand, 27, (minutes) => {
      // Dense reads over ever more cells; recompute evaluates the survivors again.
      const readings = 3.5 + 1 + budget / stride;
      const tokens = fits({ minutes, milliseconds: pace.read * readings });
      return {
        ...textWords,
        ...(text !== undefined && { text: [text] }),
        budgets: String(budget),
        stride: String(stride),
        tokens: String(clamp(tokens, budget + 512, 20_000)),
      };
    }),
    part(plan, sinksCommand, 22, (minutes) => {
      const tokens = fits({ minutes, milliseconds: pace.read * 12 });
      return {
        ...textWords,
        budget: String(budget),
        stride: String(stride),
        draws: "3",
        tokens: String(clamp(tokens, budget + 512, 20_000)),
      };
    }),
    part(plan, budgetsCommand, 9, (minutes) => {
      const tokens = fits({ minutes, milliseconds: pace.read * 5 });
      const largest = budgets.at(-1) ?? budget;
      return {
        ...textWords,
        budgets: budgets.join(),
        stride: String(stride),
        tokens: String(clamp(tokens, largest + 512, 20_000)),
      };
    }),
    part(plan, latencyCommand, 16, (minutes) => ({
      ...textWords,
      budgets: budgets.join(),
      minutes: String(Math.max(1, Math.round(minutes))),
      qualityTokens: "0",
    })),
    part(plan, streamEvalCommand, 14, (minutes) => {
      const lines = fits({ minutes, milliseconds: pace.read * TOKENS_PER_LINE * READINGS_PER_LINE });
      return {
        budget: String(Math.max(budget, SHORTEST_RECORD_BUDGET)),
        stride: String(common.defaults.stride),
        every: "5",
        lines: String(clamp(lines, 200, 400)),
      };
    }),
    part(
      plan,
      chatEvalCommand,
      5,
      (minutes) => ({
        model: common.model,
        maxTokens: "24",
        budget: "512",
        turns: String(clamp(fits({ minutes, milliseconds: pace.decode * 150 }), 4, 200)),
      }),
      hasChat ? undefined : "The model has no chat template.",
    ),
    part(plan, soakCommand, 7, (minutes) => {
      const tokens = clamp(fits({ minutes, milliseconds: pace.read * 1.2 }), 4 * SHORTEST_PASS, 4_000_000);
      return {
        ...textWords,
        budget: String(budget),
        stride: String(stride),
        tokens: String(tokens),
        passTokens: String(clamp(Math.floor(tokens / 6), SHORTEST_PASS, 50_000) - 1),
        rounds: "0",
        fresh: true,
      };
    }),
  ];
}

/** Options as commander would have parsed them. */
type Words = Readonly<Record<string, string | readonly string[] | boolean>>;

/** An experiment of the reproduction: the command that one would type, whose line stands in its results. */
function part(
  { laboratory, common }: Plan,
  command: ExperimentCommand,
  weight: number,
  wordsFor: (minutes: number) => Words,
  leftOut?: string,
): ReproductionPart {
  return {
    experiment: command.name as ReproductionPart["experiment"],
    weight,
    leftOut,
    run: async (minutes: number, options: ExperimentOptions): Promise<ExperimentResults> => {
      const words = wordsFor(minutes);
      const defaults = Object.fromEntries(
        command.options.map((option) => [option.attributeName(), option.defaultValue as unknown]),
      );
      const run = await command.prepare({ ...defaults, ...words }, common);
      const surroundings = {
        ...options.surroundings,
        command: lineOf(command, words, options.surroundings.command),
      };
      return run({ ...laboratory, ...options, surroundings });
    },
  };
}

/** The command line of a part: its own options, and those that all experiments share from the line of the reproduction. */
function lineOf({ name, options }: ExperimentCommand, words: Words, line: string): string {
  const own = Object.entries(words).flatMap(([word, value]) => {
    const flag = options.find((option) => option.attributeName() === word)?.long;
    if (flag === undefined) return [];
    if (value === true) return [flag];
    return (Array.isArray(value) ? value : [value]).map((one) => `${flag} ${String(one)}`);
  });
  const shared = [...line.matchAll(/--(?:model|keys|values|threads|gpu|seed)[ =](?:'[^']*'|\S+)/g)].map(
    ([text]) => text,
  );
  return ["kvpolicy", name, ...own, ...shared].join(" ");
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
