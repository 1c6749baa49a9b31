import type { Capability } from "./backend.js";
import { findPlanProblem } from "./check-plan.js";
import { KVPolicyError } from "./errors.js";
import type { CacheView, EvictionPlan, KVCachePolicy } from "./policy.js";

/**
 * Asks a policy for a plan, and answers one that can be carried out.
 *
 * @throws {KVPolicyError} `cache-full` when nothing may leave, `invalid-plan` when the plan is no good. `appended` and
 * `remaining` count the tokens of the call that needs the room.
 */
export function askPolicy(
  policy: KVCachePolicy,
  view: CacheView,
  reindex: Capability,
  { appended, remaining }: { readonly appended: number; readonly remaining: number },
): EvictionPlan {
  const { name } = policy;
  const { length, budget, required } = view;
  const invalid = (problem: string, plan: unknown, cause?: unknown): KVPolicyError =>
    new KVPolicyError({
      code: "invalid-plan",
      message: `Policy "${name}" answered with an invalid plan: ${problem}. ${appended} tokens of this call had been appended.`,
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
    const count = `${appended} tokens of this call were appended, ${remaining} were not`;
    throw new KVPolicyError({
      code: "cache-full",
      message:
        `Policy "${name}" lets nothing leave and all ${budget} cells are in use: ` +
        `${remaining === 0 ? "the token generated last cannot be decoded" : count}.`,
      details: { policy: name, budget, appended, remaining },
    });
  }
  const problem = findPlanProblem(plan, view, reindex);
  if (problem !== undefined) throw invalid(problem, plan);
  return plan;
}
