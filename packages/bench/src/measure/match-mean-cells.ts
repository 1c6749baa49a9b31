import { createStream, KVPolicyError, type KVCacheBackend, type KVCachePolicy } from "@kvpolicy/core";

/** Token ids that the idle backend takes: all that 32 bits hold. */
const VOCABULARY = 2 ** 32;
/** Rounds of the search; each comes closer by what the last one was off. */
const ROUNDS = 12;
/** Tokens after which a timer, or Ctrl-C, has its turn. */
const SLICE = 4096;

/** Options of {@link matchMeanCells}. */
export interface MatchMeanCellsOptions {
  /** The text as token ids: what leaves may depend on them. */
  readonly tokens: Uint32Array;
  /** Cells that a token should see on average once the cache is full. */
  readonly cells: number;
  /** Makes the policy for a budget. */
  readonly create: (budget: number) => KVCachePolicy;
  /** Stops the search; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A budget, and what comes of it. */
export interface MatchedBudget {
  /** The budget. */
  readonly budget: number;
  /** Cells that a token then sees on average; null when nothing leaves, or the text ends before the cache is full. */
  readonly cells: number | null;
}

/**
 * The budget with which a token sees so many cells on average, once the cache is full. A policy that frees several cells at once
 * sees fewer than its budget most of the time, by about half its stride: at equal peaks it is at a disadvantage, at equal means it is not.
 *
 * The policy is tried on the text without a model; likelihoods, for a policy that asks for them, are made up. The nearest budget that
 * could be tried is answered, of two equally near the smaller one; for a policy that lets nothing leave, the number of cells itself.
 *
 * @throws {KVPolicyError} what the policy or a stream of it throws: `config` for a budget that cannot work.
 */
export async function matchMeanCells(options: MatchMeanCellsOptions): Promise<MatchedBudget> {
  const { cells } = options;
  const tried = new Map<number, number>();
  let budget = cells;
  for (let round = 0; round < ROUNDS && !tried.has(budget); round += 1) {
    const mean = await meanCells(budget, options);
    if (mean === undefined) break;
    tried.set(budget, mean);
    budget = Math.max(1, budget + Math.round(cells - mean));
  }
  const [best] = [...tried].sort(
    ([one, oneMean], [other, otherMean]) =>
      Math.abs(oneMean - cells) - Math.abs(otherMean - cells) || one - other,
  );
  return best ? { budget: best[0], cells: best[1] } : { budget: cells, cells: null };
}

/** Mean cells that a token sees from the budget on; undefined when nothing leaves, or the text ends before the cache is full. */
async function meanCells(
  budget: number,
  { tokens, create, signal }: MatchMeanCellsOptions,
): Promise<number | undefined> {
  const backend = createIdleBackend(budget);
  await using stream = createStream({ backend, policy: create(budget), budget });
  if (tokens.length <= budget) return undefined;
  await stream.append(tokens.subarray(0, budget));
  const before = stream.stats;
  try {
    for (let start = budget; start < tokens.length; start += SLICE) {
      // The idle backend answers at once: without a pause no signal would ever come through.
      await new Promise((resolve) => setTimeout(resolve));
      await stream.append(tokens.subarray(start, start + SLICE), { signal });
    }
  } catch (error) {
    if (KVPolicyError.isInstance(error, "cache-full")) return undefined;
    throw error;
  }
  const { cellsSeen, tokens: read } = stream.stats;
  return (cellsSeen - before.cellsSeen) / (read - before.tokens);
}

/** Does nothing, and makes up likelihoods. */
function createIdleBackend(capacity: number): KVCacheBackend {
  let read = 0;
  const madeUp = (): number => ((Math.imul((read += 1), 2654435761) >>> 0) % 10_000) / 1000;
  return {
    capabilities: {
      capacity,
      batch: capacity,
      vocabularySize: VOCABULARY,
      reindex: true,
      truncate: true,
      nll: true,
      attention: "there is no model",
      keys: "there is no model",
    },
    decode: (tokens, options) =>
      Promise.resolve(options && Float64Array.from({ length: tokens.length - options.scoreFrom }, madeUp)),
    nll: () => Promise.resolve(madeUp()),
    createSampler: () => ({ sample: () => Promise.resolve(0), dispose: () => undefined }),
    evict: () => Promise.resolve(),
    truncate: () => Promise.resolve(),
    clear: () => Promise.resolve(),
    dispose: () => Promise.resolve(),
  };
}
