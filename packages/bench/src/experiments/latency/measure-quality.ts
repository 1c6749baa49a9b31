import { KVPolicyError, type KVCachePolicy } from "@kvpolicy/core";

import {
  comparedStretch,
  compareReadings,
  nllsWithin,
  type Stretch,
} from "../../comparison/compare-readings.js";
import type { Reading } from "../../measure/reader.js";
import { perplexity } from "../../statistics/perplexity.js";
import { compareOnText } from "../compare-on-text.js";
import { evaluatedTokens, preparePolicy, unitTokens, type LatencyContender } from "./latency-contender.js";
import { formatTime } from "./format-time.js";
import type { MeasureLatencyOptions } from "./measure-latency.js";
import type { LatencyQuality, LatencyRow } from "./latency-results.js";

/** What of a measurement of latency its perplexities depend on. */
export interface MeasureQualityOptions {
  /** The text to read: the fill and what comes after. */
  readonly tokens: Uint32Array;
  /** Cells of the caches. */
  readonly budget: number;
  /** The time per token at this budget. */
  readonly rows: readonly LatencyRow[];
  /** Milliseconds that filling in one token took at this budget; undefined when that is not known. */
  readonly pace: number | undefined;
  /** Milliseconds that are left. */
  readonly left: number;
  /** Milliseconds that have passed. */
  readonly elapsed: number;
}

type QualityRow = LatencyQuality["rows"][number];

/** Perplexity of each stride at one budget, as far as there is time: the cheapest come first. */
export async function measureQuality(
  options: MeasureLatencyOptions,
  { tokens, budget, rows, pace, left, elapsed }: MeasureQualityOptions,
): Promise<LatencyQuality> {
  const evicting = evictingOf(options.contenders);
  const nothing = (reason: string): LatencyQuality => ({ budget, tokens: tokens.length, reason, rows: [] });
  if (tokens.length <= budget)
    return nothing(`the text has ${tokens.length} tokens, which do not fill ${budget} cells`);
  if (pace === undefined) return nothing(`nothing was measured at ${budget} cells`);
  const { reasons, policies } = planQuality(evicting, { tokens: tokens.length, budget, pace, left });
  const readings = await readAll(options, policies, { tokens, budget, elapsed });
  const stretch = comparedStretch(readings, budget);
  const find = (contender: LatencyContender | undefined): Reading | undefined =>
    readings.find(({ name }) => name === contender?.name);
  return {
    budget,
    tokens: tokens.length,
    reason: null,
    rows: evicting.map((contender) => {
      const { name, kind, stride } = contender;
      const reuse = evicting.find((other) => other.kind === "reuse" && other.stride === stride);
      return {
        contender: name,
        kind,
        stride,
        reason: reasons.get(name) ?? null,
        millisecondsPerToken: rows.find((row) => row.contender === name)?.mean ?? null,
        ...summarize(find(contender), kind === "reuse" ? undefined : find(reuse), stretch, options.seed),
      };
    }),
  };
}

async function readAll(
  options: MeasureLatencyOptions,
  policies: QualityPlan["policies"],
  { tokens, budget, elapsed }: Pick<MeasureQualityOptions, "tokens" | "budget" | "elapsed">,
): Promise<readonly Reading[]> {
  if (policies.size === 0) return [];
  const { readings } = await compareOnText(options, {
    tokens,
    start: budget,
    contenders: [...policies].map(([name, policy]) => ({ name, policy, budget })),
    what: `perplexity at ${budget} cells`,
    share: (done, total) => ({ done: elapsed + done, total: elapsed + total }),
  });
  return readings;
}

type EvictingContender = LatencyContender & { readonly stride: number };

/** Contenders that evict: all but dense, which a text longer than its cache has no place in. */
export function evictingOf(contenders: readonly LatencyContender[]): readonly EvictingContender[] {
  return contenders.filter((contender): contender is EvictingContender => contender.stride !== null);
}

/** What reading takes of the time that is left. */
export interface QualityPlan {
  /** Why contenders are not read with, by name. */
  readonly reasons: ReadonlyMap<string, string>;
  /** The policies of the others, by name of the contender, the cheapest first. */
  readonly policies: ReadonlyMap<string, KVCachePolicy>;
  /** Milliseconds that these will take together. */
  readonly milliseconds: number;
}

/** Who reads, the cheapest first, as long as there is time. */
export function planQuality(
  contenders: readonly LatencyContender[],
  { tokens, budget, pace, left }: { tokens: number; budget: number; pace: number; left: number },
): QualityPlan {
  // The tokens of a stride are read in one go.
  const timeOf = (contender: LatencyContender): number => {
    const evaluated = evaluatedTokens(contender, budget) / unitTokens(contender, budget);
    return pace * (budget + (tokens - budget) * evaluated);
  };
  const reasons = new Map<string, string>();
  const policies = new Map<string, KVCachePolicy>();
  let milliseconds = 0;
  for (const contender of [...contenders].sort((one, other) => timeOf(one) - timeOf(other))) {
    const policy = preparePolicyOrSayWhy(contender, budget);
    const time = timeOf(contender);
    if (typeof policy === "string") reasons.set(contender.name, policy);
    else if (milliseconds + time <= left) {
      policies.set(contender.name, policy);
      milliseconds += time;
    } else
      reasons.set(
        contender.name,
        `reading would take about ${formatTime(time)}, and ${formatTime(left - milliseconds)} of the time allowed were left`,
      );
  }
  return { reasons, policies, milliseconds };
}

/** The policy of a contender, or why it cannot read: an error that it throws included. */
function preparePolicyOrSayWhy(contender: LatencyContender, budget: number): KVCachePolicy | string {
  try {
    return preparePolicy(contender, budget);
  } catch (error) {
    if (!KVPolicyError.isInstance(error)) throw error;
    return error.message;
  }
}

function summarize(
  reading: Reading | undefined,
  reuse: Reading | undefined,
  stretch: Stretch | undefined,
  seed: number,
): Pick<QualityRow, "perplexity" | "tokens" | "ratioToReuse"> & Partial<Pick<QualityRow, "reason">> {
  if (!reading) return { perplexity: null, tokens: 0, ratioToReuse: null };
  const { value, tokens } = perplexity(stretch ? nllsWithin(reading, stretch) : new Float64Array());
  const ratio = stretch && reuse ? compareReadings(reading, reuse, stretch, seed) : null;
  return {
    perplexity: value,
    tokens,
    ratioToReuse: ratio && { value: ratio.value, interval: ratio.interval },
    ...(reading.error && { reason: reading.error.message }),
    ...(reading.status === "reading" && { reason: "the measurement was stopped before" }),
  };
}
