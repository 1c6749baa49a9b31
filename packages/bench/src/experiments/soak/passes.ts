import type { Interval } from "../../results/header.js";
import { mean } from "../../statistics/perplexity.js";
import { movingBlockBootstrap } from "../../statistics/bootstrap.js";
import type { SoakPass, SoakResults } from "./soak-results.js";
import type { SoakState } from "./soak-state.js";

/** Tokens whose likelihoods make one mean. */
export const BLOCK_TOKENS = 128;
/** Fewest blocks of blocks that an interval may rest on. */
const FEWEST_BLOCKS = 20;
/** How far the mean of a pass may lie from that of pass 2, in nats. */
export const NLL_TOLERANCE = 0.005;

/**
 * Takes in the likelihoods of the next tokens. Each pass is cut into the same blocks, so that a block of one pass and that of another
 * are over the same tokens; what is left at the end of a pass and makes no whole block is not compared.
 *
 * @param state - Changed: `read` and the passes.
 * @param nlls - Negative log-likelihoods of the tokens from `state.read` on.
 * @param passLength - Tokens of a pass.
 * @param seed - Seed of the intervals.
 */
export function addLikelihoods(state: SoakState, nlls: Float64Array, passLength: number, seed: number): void {
  for (const nll of nlls) {
    const { current } = state;
    // Nothing predicts the very first token of a stream.
    const isUnpredicted = state.read === 0 && Number.isNaN(nll);
    if (!isUnpredicted) {
      current.sum = current.sum === null || !Number.isFinite(nll) ? null : current.sum + nll;
      current.tokens += 1;
    }
    state.read += 1;
    const inPass = ((state.read - 1) % passLength) + 1;
    if (inPass % BLOCK_TOKENS === 0) endBlock(state);
    if (inPass === passLength) endPass(state, seed);
  }
}

function endBlock({ current }: SoakState): void {
  current.means.push(current.sum === null ? null : current.sum / current.tokens);
  current.sum = 0;
  current.tokens = 0;
}

function endPass(state: SoakState, seed: number): void {
  const pass = state.passes.length + 1;
  state.passes.push(foldPass(pass, state.current.means, state.reference, seed));
  if (pass === 2) state.reference = state.current.means;
  state.current = { means: [], sum: 0, tokens: 0 };
}

/** All passes so far, with what there is of the one under way. */
export function listPasses({ passes, current, reference }: SoakState, seed: number): SoakPass[] {
  if (current.means.length === 0) return [...passes];
  return [...passes, foldPass(passes.length + 1, current.means, reference, seed)];
}

function foldPass(
  pass: number,
  means: readonly (number | null)[],
  reference: readonly (number | null)[],
  seed: number,
): SoakPass {
  const own = allKnown(means);
  const row = { pass, blocks: means.length, meanNll: own && mean(own), difference: null, interval: null };
  const other = allKnown(reference.slice(0, means.length));
  if (pass < 3 || !own || !other) return row;
  const differences = own.map((value, index) => value - (other[index] ?? NaN));
  const paired = movingBlockBootstrap(differences, { seed, shortestBlock: 1, fewestBlocks: FEWEST_BLOCKS });
  return { ...row, difference: paired.mean, interval: paired.interval };
}

/** The values, or null when one of them is missing, or there is none. */
function allKnown(values: readonly (number | null)[]): Float64Array | null {
  const known = values.filter((value) => value !== null);
  return known.length === values.length && known.length > 0 ? Float64Array.from(known) : null;
}

/**
 * What the passes say together: `drifted` only when the whole interval of one lies beyond the tolerance, `flat` only when all lie within.
 * Those that are too short for an interval are not judged.
 */
export function judgeLikelihood(passes: readonly SoakPass[]): SoakResults["likelihood"] {
  const judged = passes.filter(({ interval }) => interval !== null);
  let largest = { pass: 0, difference: 0 };
  for (const { pass, difference } of judged) {
    if (difference === null) continue;
    if (largest.pass === 0 || Math.abs(difference) > Math.abs(largest.difference))
      largest = { pass, difference };
  }
  if (largest.pass === 0) return null;
  return {
    judged: judged.length,
    largest,
    verdict: judgeIntervals(judged.flatMap(({ interval }) => interval ?? [])),
  };
}

function judgeIntervals(intervals: readonly Interval[]): NonNullable<SoakResults["likelihood"]>["verdict"] {
  const isBeyond = ({ lower, upper }: Interval): boolean => lower > NLL_TOLERANCE || upper < -NLL_TOLERANCE;
  if (intervals.some(isBeyond)) return "drifted";
  const isWithin = ({ lower, upper }: Interval): boolean => lower >= -NLL_TOLERANCE && upper <= NLL_TOLERANCE;
  return intervals.every(isWithin) ? "flat" : "not shown";
}
