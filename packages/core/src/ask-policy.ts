import type { Capability } from "./backend.js";
import { findPlanProblem } from "./check-plan.js";
import { KVPolicyError } from "./errors.js";
import type { CacheView, EvictionPlan, KVCachePolicy } from "./policy.js";

/** Tokens of the call that needs the room. */
export interface CallProgress {
  /** Those that were appended before. */
  readonly appended: number;
  /** Those that were not. */
  readonly remaining: number;
}

/**
 * Asks a policy for a plan, and answers one that can be carried out. A stream does it by itself; this is for engines that ask
 * for ranges to evict instead of being driven.
 *
 * `reindex` is the engine's capability, `progress` where the call stands, for errors. Without it their numbers are NaN.
 *
 * @throws {KVPolicyError} `cache-full` when nothing may leave, `invalid-plan` when the plan is no good.
 */
export function askPolicy(
  policy: Pick<KVCachePolicy, "name" | "plan">,
  view: CacheView,
  reindex: Capability,
  progress?: CallProgress,
): EvictionPlan {
  const { name } = policy;
  const { length, budget, required } = view;
  const { appended, remaining } = progress ?? { appended: NaN, remaining: NaN };
  const invalid = (problem: string, plan: unknown, cause?: unknown): KVPolicyError =>
    new KVPolicyError({
      code: "invalid-plan",
      message: `Policy "${name}" answered with an invalid plan: ${problem}.${progress ? ` ${appended} tokens of this call had been appended.` : ""}`,
      details: { policy: name, problem, plan, length, required, appended },
      cause,
    });
  let plan: EvictionPlan | null;
  try {
    plan = policy.plan(view);
  } catch (cause) {
    throw invalid("plan() threw", undefined, cause);
  }
  if (plan === null) {
    throw new KVPolicyError({
      code: "cache-full",
      message: `Policy "${name}" lets nothing leave and all ${budget} cells are in use${progress ? `: ${describe(progress)}` : ""}.`,
      details: { policy: name, budget, appended, remaining },
    });
  }
  const problem = findPlanProblem(plan, view, reindex);
  if (problem !== undefined) throw invalid(problem, plan);
  return plan;
}

function describe({ appended, remaining }: CallProgress): string {
  if (remaining === 0) return "the token generated last cannot be decoded";
  return `${appended} tokens of this call were appended, ${remaining} were not`;
}
