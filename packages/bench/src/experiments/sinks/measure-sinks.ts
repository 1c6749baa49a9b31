import { KVPolicyError, type KVCachePolicy } from "@kvpolicy/core";

import { buildComparison } from "../../comparison/build-comparison.js";
import { lineBreakHead } from "../../controls/line-break-head.js";
import { randomAnchor } from "../../controls/random-anchor.js";
import { randomRecent } from "../../controls/random-recent.js";
import type { MeasuredModel } from "../../measure/measured-model.js";
import { studentInterval } from "../../statistics/student-interval.js";
import { compareOnText, type TextContender } from "../compare-on-text.js";
import type { ExperimentOptions } from "../experiment.js";
import type { ReadableText } from "../policy-choice.js";
import { judgeSinks, referenceSinks, USUAL_SINKS } from "./judge-sinks.js";
import type { ProbeResults, SinksResults } from "./sinks-results.js";

/** Options of {@link probeSinks}. */
export interface ProbeSinksOptions extends ExperimentOptions {
  /** The text; 64 blocks of 128 tokens behind the budget are the fewest that give an interval. */
  readonly text: ReadableText;
  /** Cells. */
  readonly budget: number;
  /** Numbers of sinks, none twice. Defaults to 0, 1, 2, 4, 8. */
  readonly sinks?: readonly number[] | undefined;
  /** Makes the policy that keeps so many first tokens and a window. */
  readonly create: (sinks: number, budget: number) => KVCachePolicy;
  /** Seed of the intervals and of what is drawn. */
  readonly seed: number;
}

/** Options of {@link measureSinks}. */
export interface MeasureSinksOptions extends ProbeSinksOptions {
  /** Draws of each random control. Defaults to 3. */
  readonly draws?: number | undefined;
  /** Cells that one eviction of a control frees; that of the policies. */
  readonly stride: number;
}

const COUNTS = [0, 1, 2, 4, 8];
const DRAWS = 3;
const RANDOM_ANCHORS = "random anchors";
const RANDOM_RECENT = "random recent tokens";

/**
 * Does this model need sinks? Reads a text with 0, 1, 2, 4 and 8 of them, and says what is lost without and how many are enough.
 *
 * @throws {KVPolicyError} `config` for numbers of sinks that leave nothing to compare, or that occur twice.
 */
export async function probeSinks(options: ProbeSinksOptions): Promise<ProbeResults> {
  const { seed, budget, surroundings, clock = () => performance.now() } = options;
  const counts = checkCounts(options.sinks ?? COUNTS);
  const start = clock();
  const { comparison, need } = await compare(options, counts, []);
  return {
    ...surroundings,
    experiment: "probe",
    partial: comparison.partial,
    milliseconds: clock() - start,
    settings: { budget, sinks: counts, seed },
    comparison,
    need,
  };
}

/**
 * Numbers of sinks at one budget, as in table 2 of Xiao et al., ICLR 2024, with controls: as many random tokens of the first fill that
 * stay for ever, random recent ones drawn anew at each eviction, and line breaks in place of the first tokens (table 1, last row).
 *
 * @throws {KVPolicyError} as {@link probeSinks}.
 */
export async function measureSinks(options: MeasureSinksOptions): Promise<SinksResults> {
  const {
    model,
    budget,
    seed,
    stride,
    draws = DRAWS,
    surroundings,
    clock = () => performance.now(),
  } = options;
  const counts = checkCounts(options.sinks ?? COUNTS);
  const start = clock();
  const seeds = Array.from({ length: draws }, (_, index) => seed + index);
  const anchors = USUAL_SINKS;
  const controls: TextContender[] = [
    ...seeds.map((own, index) => ({
      name: `${RANDOM_ANCHORS} ${index + 1}`,
      policy: randomAnchor({ anchors, budget, seed: own, stride }),
      budget,
    })),
    ...seeds.map((own, index) => ({
      name: `${RANDOM_RECENT} ${index + 1}`,
      policy: randomRecent({ anchors, seed: own, stride }),
      budget,
    })),
    ...lineBreakContenders(model, options),
  ];
  const { comparison, need } = await compare(options, counts, controls);
  return {
    ...surroundings,
    experiment: "sinks",
    partial: comparison.partial,
    milliseconds: clock() - start,
    settings: { budget, sinks: counts, draws, seed },
    comparison,
    controls: [RANDOM_ANCHORS, RANDOM_RECENT].flatMap((name) => {
      const logarithms = comparison.policies
        .filter((policy) => policy.name.startsWith(`${name} `))
        .flatMap(({ ratio }) => (ratio ? [Math.log(ratio.value)] : []));
      if (logarithms.length === 0) return [];
      const { mean, interval } = studentInterval(logarithms);
      const bounds = interval && { lower: Math.exp(interval.lower), upper: Math.exp(interval.upper) };
      return [{ name, draws: logarithms.length, ratio: Math.exp(mean), interval: bounds }];
    }),
    need,
  };
}

async function compare(
  options: ProbeSinksOptions,
  counts: readonly number[],
  controls: readonly TextContender[],
): Promise<Pick<SinksResults, "comparison" | "need">> {
  const { text, budget, create, seed } = options;
  const contenders = counts.map((sinks) => ({ name: nameOf(sinks), policy: create(sinks, budget), budget }));
  const measurement = await compareOnText(options, {
    tokens: text.tokens,
    start: budget,
    contenders: [...contenders, ...controls],
    what: `budget ${budget}, ${text.name}`,
  });
  const { name, sha256 } = text;
  const reference = nameOf(referenceSinks(counts));
  return {
    comparison: buildComparison(measurement, { text: { name, sha256 }, seed, reference }),
    need: judgeSinks(
      measurement,
      counts,
      (sinks) => measurement.readings.find((reading) => reading.name === nameOf(sinks)),
      seed,
    ),
  };
}

/** Name of the row with so many sinks. */
export function nameOf(sinks: number): string {
  return sinks === 1 ? "1 sink" : `${sinks} sinks`;
}

/** Line breaks in place of the first tokens; with a beginning-of-sequence token once behind it, once in its place, too. */
function lineBreakContenders(model: MeasuredModel, { create, budget }: ProbeSinksOptions): TextContender[] {
  const [lineBreak, ...others] = model.encode("\n");
  // Where a line break is no token of its own there is no such control.
  if (lineBreak === undefined || others.length > 0) return [];
  const sinks = USUAL_SINKS;
  const policy = create(sinks, budget);
  if (model.bos === undefined) {
    const head = lineBreakHead({ lineBreak, sinks, bos: "none" });
    return [{ name: "line breaks", policy, budget, head }];
  }
  return [
    {
      name: "line breaks behind BOS",
      policy,
      budget,
      head: lineBreakHead({ lineBreak, sinks, bos: "kept" }),
    },
    {
      name: "line breaks, BOS too",
      policy,
      budget,
      head: lineBreakHead({ lineBreak, sinks, bos: "replaced" }),
      bos: false,
    },
  ];
}

function checkCounts(counts: readonly number[]): number[] {
  const sorted = [...counts].sort((one, other) => one - other);
  if (sorted.length > 1 && new Set(sorted).size === sorted.length) return sorted;
  throw new KVPolicyError({
    code: "config",
    message: `Numbers of sinks must be at least two, none of them twice, not ${counts.join(", ")}.`,
    details: { option: "sinks", value: counts },
  });
}
