import { measureLatency, type LatencyContender } from "@kvpolicy/bench";
import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { Option } from "commander";
import { z } from "zod";

import { defaultsInWords, type CommonOptions } from "../common-options.js";
import type { ExperimentCommand, Laboratory } from "../experiment-command.js";
import { loadText, type LoadedText } from "../load-text.js";
import { firstProblem, numberList, wholeNumber } from "../option-schemas.js";
import { readableText, textName, textOption } from "../readable-text.js";
import { badOption } from "../report-error.js";

/** What is taken when an option is left out. */
const DEFAULTS = {
  tiny: { budgets: [64, 128, 256] },
  other: { budgets: [256, 512, 1024] },
  strides: [1, 16, 64, 256],
  minutes: 10,
  precision: 5,
  qualityTokens: 1024,
  sinks: 4,
} as const;

/** Tokens that are decoded before the text begins again, beyond the largest fill: no more are worth encoding. */
const TOKENS_BEYOND = 16_384;

/** The checked options of `kvpolicy latency` beside the common ones. */
export interface LatencyCommandOptions {
  /** Cells of the caches. */
  readonly budgets: readonly number[];
  /** Cells freed by one eviction. */
  readonly strides: readonly number[];
  /** Time for everything, in minutes. */
  readonly minutes: number;
  /** How far an interval may reach from its mean, in per cent. */
  readonly precision: number;
  /** Tokens read for the perplexity of each stride; 0 for none. */
  readonly qualityTokens: number;
  /** The budget of the perplexities, one of `budgets`. */
  readonly qualityBudget: number;
  /** Initial tokens that sink-window keeps. */
  readonly sinks: number;
  /** File to read, `-` for standard input; undefined for the built-in text. */
  readonly text: string | undefined;
}

/** `kvpolicy latency`: time per token over the budget. */
export const latencyCommand: ExperimentCommand = {
  name: "latency",
  description:
    "Times decoding over the budget of the cache: sink-window against recompute at equal strides, and dense (the paper's figure 10).",
  options: [
    new Option(
      "--budgets <list>",
      `budgets in cells, such as 256,512 ${defaultsInWords(DEFAULTS.tiny.budgets.join(), DEFAULTS.other.budgets.join())}`,
    ),
    new Option(
      "--strides <list>",
      `cells freed by one eviction, such as 1,16 (default: ${DEFAULTS.strides.join()}, as far as the largest budget has room)`,
    ),
    new Option("--minutes <count>", "time for everything").default(String(DEFAULTS.minutes)),
    new Option("--precision <percent>", "how far an interval may reach from its mean").default(
      String(DEFAULTS.precision),
    ),
    new Option(
      "--quality-tokens <count>",
      "tokens read for the perplexity of each stride once the cache is full; 0 for none",
    ).default(String(DEFAULTS.qualityTokens)),
    new Option("--quality-budget <cells>", "budget of the perplexities (default: the smallest of --budgets)"),
    new Option("--sinks <count>", "initial tokens that sink-window keeps").default(String(DEFAULTS.sinks)),
    textOption(),
  ],
  prepare: async (raw, common) => {
    const options = parseLatencyOptions(raw, common);
    const text = await loadText(options.text);
    return (laboratory) => runLatency(options, text, laboratory);
  },
};

const rawSchema = z.object({
  budgets: numberList(2).optional(),
  strides: numberList(1).optional(),
  minutes: wholeNumber(1),
  precision: wholeNumber(1),
  qualityTokens: wholeNumber(0),
  qualityBudget: wholeNumber(2).optional(),
  sinks: wholeNumber(0),
  text: textName,
});

/**
 * Checks the options of `kvpolicy latency` and fills in the defaults.
 *
 * @param raw - The options as commander parsed them.
 * @param common - The options that all experiments share.
 * @throws {KVPolicyError} `config`, with the option's name, for the first option that cannot work.
 */
export function parseLatencyOptions(
  raw: unknown,
  common: Pick<CommonOptions, "isTiny">,
): LatencyCommandOptions {
  const parsed = rawSchema.safeParse(raw);
  if (!parsed.success) throw firstProblem(raw, parsed.error);
  const { sinks, text, ...rest } = parsed.data;
  const { budgets = (common.isTiny ? DEFAULTS.tiny : DEFAULTS.other).budgets } = rest;
  const smallest = Math.min(...budgets);
  const largest = Math.max(...budgets);
  const { strides = DEFAULTS.strides.filter((stride) => sinks + stride < largest) } = rest;
  const { qualityBudget = smallest } = rest;
  if (!budgets.includes(qualityBudget)) {
    const message = `--quality-budget must be one of --budgets ${budgets.join(",")}, not ${qualityBudget}.`;
    throw badOption("qualityBudget", qualityBudget, message);
  }
  if (smallest <= sinks + 1) {
    const message = `--budgets ${smallest} leaves no window behind ${sinks} sinks: it takes at least ${sinks + 2} cells.`;
    throw badOption("budgets", smallest, message);
  }
  return { ...rest, budgets, strides, sinks, text, qualityBudget };
}

/** Who is timed: both kinds of eviction at each stride, and dense. */
export function createLatencyContenders({
  strides,
  sinks,
}: Pick<LatencyCommandOptions, "strides" | "sinks">): LatencyContender[] {
  return [
    ...strides.map((stride): LatencyContender => ({
      name: `recompute, stride ${stride}`,
      kind: "recompute",
      stride,
      create: () => recompute({ stride }),
    })),
    ...strides.map((stride): LatencyContender => ({
      name: `sink-window, stride ${stride}`,
      kind: "reuse",
      stride,
      create: () => sinkWindow({ sinks, stride }),
    })),
    { name: "dense", kind: "dense", stride: null, create: () => dense() },
  ];
}

function runLatency(
  { precision, ...options }: LatencyCommandOptions,
  text: LoadedText,
  laboratory: Laboratory,
): ReturnType<typeof measureLatency> {
  const { loaded, common } = laboratory;
  const length = Math.max(...options.budgets) + Math.max(TOKENS_BEYOND, options.qualityTokens);
  return measureLatency({
    ...laboratory,
    ...options,
    text: readableText(loaded, text, length),
    contenders: createLatencyContenders(options),
    precision: precision / 100,
    seed: common.seed,
  });
}
