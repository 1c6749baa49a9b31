import {
  askPolicy,
  checkPolicy,
  countCells,
  KVPolicyError,
  resolveBudget,
  withRequired,
  type BackendCapabilities,
  type CacheView,
  type Capability,
  type EvictionPlan,
  type KVCachePolicy,
} from "@kvpolicy/core";
import { GgmlType, type ContextShiftOptions, type LlamaContextSequence } from "node-llama-cpp";

import { CACHE_TYPES } from "./cache-types.js";
import { describeCapabilities } from "./open-backend.js";
import { judgeSelfTest, recallSelfTest } from "./gate/tested-models.js";

/** node-llama-cpp's own `contextShift` options, both of them functions. */
export type PolicyContextShift = {
  readonly [Option in keyof ContextShiftOptions]-?: Extract<
    ContextShiftOptions[Option],
    (...parameters: never) => unknown
  >;
};

/** What a policy may require and a sequence of node-llama-cpp does not offer. */
const LACKING = {
  nll: "node-llama-cpp does not keep the likelihoods of the tokens",
  attention: "llama.cpp's attention probabilities cannot be read through node-llama-cpp",
  keys: "llama.cpp's cached keys cannot be read through node-llama-cpp",
} as const;

/** Cells of the cache that a policy is tried with before there is a sequence, unless its options say how many. */
const TRIAL_BUDGET = 1023;

const INSTEAD = "openStream can do it";

/**
 * A policy as node-llama-cpp's own `contextShift` options, for code that drives a sequence itself: `getSequence`, `evaluate`,
 * `controlledEvaluate` and the others take them. Through the public interface alone: keys and values are reused, and nothing is
 * evaluated again. `LlamaChatSession` is not helped by this: it compresses its history by itself, and `openChat` is its replacement.
 *
 * The budget is what node-llama-cpp keeps: the context's size less one cell. The same cells leave as in a stream of that budget.
 *
 * What the public interface cannot do is refused, because node-llama-cpp would evaluate everything again without a word. Some of it is
 * known at once; the rest rejects the evaluation that needs the room, and leaves the cells as they were.
 *
 * @throws {KVPolicyError} `config` when it is no policy; `unsupported` when the policy evicts from cell 0, recomputes survivors, reads
 * marks or stream positions, or requires likelihoods, attention or keys. An evaluation rejects with the same; with `config` when the
 * policy's own budget is not the context's; with `unsupported` when llama.cpp cannot move the model's keys, or the sequence has a token
 * predictor or takes checkpoints; with `cache-full` when nothing may leave; and with `invalid-plan`.
 * @example
 * ```ts
 * const sequence = context.getSequence({ contextShift: contextShift(sinkWindow()) });
 * ```
 */
export function contextShift(policy: KVCachePolicy): PolicyContextShift {
  checkPolicy("contextShift", policy);
  refuseRequirements(policy);
  refuseShape(policy);
  refuseTrial(policy);
  const ask = async (sequence: LlamaContextSequence, required: number): Promise<EvictionPlan> => {
    const { reindex } = await checkSequence(policy, sequence);
    const view = viewOf(policy, sequence);
    const plan = askWithoutMarks(policy, view, reindex);
    // What a stream would ask for comes first, so that the same cells leave as in a stream.
    const least = Math.max(required, leastCells(sequence));
    const isEnough = countCells(plan.evict) >= least;
    const settled = isEnough ? plan : askWithoutMarks(policy, withRequired(view, least), reindex);
    refusePlan(policy, settled, Math.max(0, sequence.stateCellsStartIndex));
    return settled;
  };
  return {
    size: async (sequence) => countCells((await ask(sequence, 1)).evict),
    strategy: async ({ sequence, size }) => {
      const { evict } = await ask(sequence, size);
      return evict.map(({ start, end }) => ({ start, end }));
    },
  };
}

function refuseRequirements(policy: KVCachePolicy): void {
  for (const feature of policy.requires) {
    if (feature !== "reindex")
      throw refuse(policy, feature, `it requires "${feature}", and ${LACKING[feature]}`);
  }
}

function refuseShape(policy: KVCachePolicy): void {
  const { shape } = policy.describe();
  if (shape === "opaque" || shape.stride === 0) return;
  if (shape.survivors === "recompute") throw recomputes(policy);
  if (shape.first === 0) throw evictsFirst(policy, 0, 0);
}

/** Asks for a plan of a cache that there is not: what it reads shows, and where it evicts if that does not depend on the tokens. */
function refuseTrial(policy: KVCachePolicy): void {
  const budget = policy.budget ?? TRIAL_BUDGET;
  if (policy.checkBudget?.(budget) !== undefined) return;
  const reads = { tokens: false };
  const view = fullView(policy, budget, () => {
    reads.tokens = true;
    return 0;
  });
  let plan: EvictionPlan;
  try {
    plan = askWithoutMarks(policy, view, true);
  } catch (error) {
    // A plan that is no good, or none, may be another one with the tokens of a real cache.
    if (KVPolicyError.isInstance(error, "unsupported")) throw error;
    return;
  }
  if (!reads.tokens) refusePlan(policy, plan, 0);
}

/** Refuses a sequence that cannot do what the policy needs, and answers what it can do. */
async function checkSequence(
  policy: KVCachePolicy,
  sequence: LlamaContextSequence,
): Promise<BackendCapabilities> {
  const budget = sequence.contextSize - 1;
  if (policy.budget !== undefined && policy.budget !== budget) {
    throw new KVPolicyError({
      code: "config",
      message:
        `Policy "${policy.name}" has options that add up to ${policy.budget} cells, and node-llama-cpp keeps ${budget} in a context ` +
        `of ${sequence.contextSize}: leave out the option that fixes the budget.`,
      details: { option: "budget", value: policy.budget },
    });
  }
  const capabilities = {
    ...describeCapabilities(sequence.model, {}),
    ...LACKING,
    capacity: budget,
    reindex: await judgeReindex(sequence),
  };
  resolveBudget(policy, capabilities, budget);
  if (sequence.tokenPredictor !== undefined) {
    throw refuse(
      policy,
      "token predictor",
      "the sequence has a token predictor, whose guesses lie in the cache, too",
    );
  }
  if (sequence.needsCheckpoints) {
    throw refuse(
      policy,
      "checkpoints",
      "node-llama-cpp takes checkpoints of this model's state, and one from before an eviction does not fit what is left",
    );
  }
  return capabilities;
}

/** Both gates of a stream; the second only as far as a stream has run it, because it takes an empty sequence. */
async function judgeReindex({ model, context, contextSize }: LlamaContextSequence): Promise<Capability> {
  const keyType = CACHE_TYPES.find((name) => GgmlType[name] === context.kvCacheKeyType);
  if (keyType === undefined)
    return `nobody has tried to move keys of type ${GgmlType[context.kvCacheKeyType]}`;
  const { reindex } = describeCapabilities(model, { keyType, capacity: contextSize });
  if (reindex !== true) return reindex;
  const measured = await recallSelfTest(model, keyType);
  return measured ? judgeSelfTest(model, measured) : true;
}

/**
 * Cells that must leave before one is free: 1, and 2 after a state was loaded that fills the cell that node-llama-cpp keeps free. After
 * fewer it would erase from cell 0 and evaluate everything again.
 */
function leastCells({ nextTokenIndex, contextSize }: LlamaContextSequence): number {
  return nextTokenIndex - (contextSize - 1) + 1;
}

/** The cache as far as node-llama-cpp shows it. */
function viewOf(policy: KVCachePolicy, sequence: LlamaContextSequence): CacheView {
  let tokens: readonly number[] | undefined;
  const length = sequence.nextTokenIndex;
  return fullView(policy, length, (index) => {
    tokens ??= sequence.contextTokens;
    const token = tokens[index];
    if (token !== undefined) return token;
    throw new KVPolicyError({
      code: "range",
      message: `There is no cell ${index}: ${length} cells are in use.`,
      details: { what: "cell index", value: index, minimum: 0, maximum: length - 1 },
    });
  });
}

/** A full cache of so many cells. */
function fullView(policy: KVCachePolicy, length: number, token: (index: number) => number): CacheView {
  return {
    length,
    budget: length,
    required: 1,
    marks: [],
    token,
    streamPosition: () => {
      const reason = `it reads stream positions, which node-llama-cpp does not know; ${INSTEAD}`;
      throw refuse(policy, "stream positions", reason);
    },
  };
}

/** Asks for a plan, with marks that cannot be read: an empty list would say that nothing is pinned. */
function askWithoutMarks(policy: KVCachePolicy, view: CacheView, reindex: Capability): EvictionPlan {
  const plan = (whole: CacheView): EvictionPlan | null =>
    policy.plan({
      ...whole,
      get marks(): never {
        throw refuse(
          policy,
          "marks",
          `it reads marks, which a sequence of node-llama-cpp has none of; ${INSTEAD}`,
        );
      },
    });
  try {
    return askPolicy({ name: policy.name, plan }, view, reindex);
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    throw KVPolicyError.isInstance(cause, "unsupported") ? cause : error;
  }
}

/** Refuses a plan that node-llama-cpp would carry out by evaluating everything again. */
function refusePlan(policy: KVCachePolicy, { evict, survivors }: EvictionPlan, firstPosition: number): void {
  if (survivors === "recompute") throw recomputes(policy);
  const start = evict[0]?.start ?? Infinity;
  if (start <= firstPosition) throw evictsFirst(policy, start, firstPosition);
}

function recomputes(policy: KVCachePolicy): KVPolicyError {
  return refuse(
    policy,
    "recompute",
    `it recomputes the survivors, which a context shift does not; ${INSTEAD}`,
  );
}

function evictsFirst(policy: KVCachePolicy, start: number, firstPosition: number): KVPolicyError {
  const reason =
    `it evicts from cell ${start} on, and node-llama-cpp evaluates everything again when a range begins at cell ${firstPosition} ` +
    `or before: keep the first cell, a sink, say; ${INSTEAD}`;
  return refuse(policy, "cell 0", reason);
}

function refuse(policy: KVCachePolicy, feature: string, reason: string): KVPolicyError<"unsupported"> {
  return new KVPolicyError({
    code: "unsupported",
    message: `Policy "${policy.name}" cannot be used as contextShift: ${reason}.`,
    details: { feature, reason, policy: policy.name },
  });
}
