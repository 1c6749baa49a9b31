import { KVPolicyError } from "@kvpolicy/core";

import type { ExperimentOptions } from "../experiment.js";
import { compareLatencies, fitSlopes } from "./compare-latencies.js";
import type { LatencyContender } from "./latency-contender.js";
import { measureBudget } from "./measure-budget.js";
import { evictingOf, measureQuality, planQuality } from "./measure-quality.js";
import type { LatencyBudget, LatencyResults } from "./latency-results.js";

/** Options of {@link measureLatency}. */
export interface MeasureLatencyOptions extends ExperimentOptions {
  /** The text as token ids of the model. Where time is measured it begins again when it is over. */
  readonly text: { readonly name: string; readonly sha256: string; readonly tokens: ArrayLike<number> };
  /** Whose time is measured: of each kind at most one with each stride. */
  readonly contenders: readonly LatencyContender[];
  /** Cells of the caches. They are measured from the smallest up. */
  readonly budgets: readonly number[];
  /** Time for everything, in minutes. Defaults to 10. What was begun is finished, so it may take longer by a stride. */
  readonly minutes?: number | undefined;
  /** How far an interval may reach from its mean, as a share of it, before a contender measures no further. Defaults to 0.05. */
  readonly precision?: number | undefined;
  /** Tokens read for the perplexity of each stride once the cache is full; 0 leaves that out. Defaults to 1024. */
  readonly qualityTokens?: number | undefined;
  /** One of the budgets: that of the perplexities. Defaults to the smallest. */
  readonly qualityBudget?: number | undefined;
  /** Seed of the intervals. */
  readonly seed: number;
}

/** Share of the time that is kept for perplexities. */
const QUALITY_SHARE = 0.25;

/**
 * Measures the time per token of decoding one token at a time, evictions included, over the budget of the cache (figure 10 of Xiao et
 * al., arXiv 2309.17453), and compares contenders of equal stride. Beside it, the perplexity that recomputation has at each stride.
 *
 * The time is shared out over the budgets by their size, and over the contenders of a budget alike.
 *
 * @throws {KVPolicyError} `config` for options that cannot work, `empty` for a text without tokens. What fails for one contender is in
 * its row.
 */
export async function measureLatency(options: MeasureLatencyOptions): Promise<LatencyResults> {
  const { surroundings, contenders, signal, residentBytes, clock = () => performance.now() } = options;
  const settings = checkOptions(options);
  const tokens = Uint32Array.from(options.text.tokens);
  const start = clock();
  const end = start + settings.minutes * 60_000;
  const lastEnd = end - (settings.qualityTokens > 0 ? QUALITY_SHARE * (end - start) : 0);

  const budgets: LatencyBudget[] = [];
  const paces = new Map<number, number>();
  const { qualityBudget, qualityTokens } = settings;
  // What the perplexities will take is known when their caches have been filled.
  let kept = end - lastEnd;
  for (const [index, budget] of settings.budgets.entries()) {
    if (signal?.aborted) break;
    const begun = clock();
    const share = budget / sumOf(settings.budgets.slice(index));
    const { measured, pace } = await measureBudget({
      ...{ model: options.model, budget, tokens, contenders, signal, residentBytes, clock },
      ...{ precision: settings.precision, seed: settings.seed, share, lastEnd },
      pace: [...paces.values()].at(-1),
      onProgress: (what, left) => {
        const done = clock() - start;
        // A larger budget takes longer in proportion, unless time is up.
        const later = Math.min(((clock() - begun + left) * (1 - share)) / share, lastEnd - clock() - left);
        options.onProgress?.({ what, done, total: done + left + Math.max(0, later) + kept });
      },
    });
    budgets.push(measured);
    if (pace === undefined) continue;
    paces.set(budget, pace);
    if (budget !== qualityBudget) continue;
    const wanted = Math.min(tokens.length, qualityBudget + qualityTokens);
    kept = planQuality(evictingOf(contenders), { tokens: wanted, budget, pace, left: kept }).milliseconds;
  }

  const quality =
    qualityTokens > 0 && !signal?.aborted
      ? await measureQuality(options, {
          tokens: tokens.subarray(0, qualityBudget + qualityTokens),
          budget: qualityBudget,
          rows: budgets.find(({ budget }) => budget === qualityBudget)?.rows ?? [],
          pace: paces.get(qualityBudget),
          left: end - clock(),
          elapsed: clock() - start,
        })
      : null;
  const ratios = compareLatencies(budgets);
  return {
    ...surroundings,
    partial: signal?.aborted ?? false,
    milliseconds: clock() - start,
    experiment: "latency",
    text: { name: options.text.name, sha256: options.text.sha256, tokens: tokens.length },
    settings,
    budgets,
    ratios,
    slopes: fitSlopes(ratios),
    quality,
  };
}

function checkOptions(options: MeasureLatencyOptions): LatencyResults["settings"] {
  const { minutes = 10, precision = 0.05, qualityTokens = 1024, seed } = options;
  const budgets = [...options.budgets].sort((one, other) => one - other);
  const qualityBudget = options.qualityBudget ?? Math.min(...budgets);
  if (options.text.tokens.length === 0) {
    throw new KVPolicyError({
      code: "empty",
      message: "The text is empty: there is nothing to decode.",
      details: { what: "text" },
    });
  }
  if (budgets.length === 0 || !budgets.every((budget) => Number.isSafeInteger(budget) && budget >= 2))
    throw refuse("budgets", options.budgets, "budgets must be whole numbers of at least 2, and at least one");
  if (new Set(budgets).size < budgets.length)
    throw refuse("budgets", options.budgets, "no budget may be given twice");
  if (!(minutes > 0 && Number.isFinite(minutes)))
    throw refuse("minutes", minutes, `minutes must be above 0, not ${minutes}`);
  if (!(precision > 0)) throw refuse("precision", precision, `precision must be above 0, not ${precision}`);
  if (!Number.isSafeInteger(qualityTokens) || qualityTokens < 0)
    throw refuse(
      "qualityTokens",
      qualityTokens,
      `qualityTokens must be a whole number, not ${qualityTokens}`,
    );
  if (!budgets.includes(qualityBudget))
    throw refuse(
      "qualityBudget",
      qualityBudget,
      `qualityBudget must be one of the budgets, not ${qualityBudget}`,
    );
  checkContenders(options.contenders);
  return { budgets, minutes, precision, seed, qualityTokens, qualityBudget };
}

function checkContenders(contenders: readonly LatencyContender[]): void {
  if (contenders.length === 0) throw refuse("contenders", [], "there is nobody to measure");
  for (const { name, kind, stride } of contenders) {
    const isStride = stride !== null && Number.isSafeInteger(stride) && stride >= 1;
    if (kind === "dense" ? stride !== null : !isStride)
      throw refuse("contenders", name, `"${name}" cannot have a stride of ${stride}`);
  }
  for (const keyOf of [
    ({ name }: LatencyContender): string => name,
    ({ kind, stride }: LatencyContender): string => `${kind} ${stride}`,
  ]) {
    const keys = contenders.map(keyOf);
    const twice = keys.find((key, index) => keys.indexOf(key) !== index);
    if (twice !== undefined) throw refuse("contenders", twice, `there are two of "${twice}"`);
  }
}

function refuse(option: string, value: unknown, problem: string): KVPolicyError<"config"> {
  return new KVPolicyError({
    code: "config",
    message: `measureLatency: ${problem}.`,
    details: { option, value },
  });
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
