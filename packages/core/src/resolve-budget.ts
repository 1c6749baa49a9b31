import type { BackendCapabilities } from "./backend.js";
import { KVPolicyError } from "./errors.js";
import { checkCount, checkPolicy } from "./options.js";
import type { KVCachePolicy } from "./policy.js";

/**
 * The budget of a stream: the option, else the policy's own, else the backend's capacity. Checks everything that can be
 * checked before a token is decoded.
 *
 * @throws {KVPolicyError} `config` or `unsupported`.
 */
export function resolveBudget(
  policy: KVCachePolicy,
  capabilities: BackendCapabilities,
  option: number | undefined,
): number {
  checkPolicy("stream", policy);
  for (const feature of policy.requires) {
    const capability = capabilities[feature];
    if (capability === true) continue;
    throw new KVPolicyError({
      code: "unsupported",
      message: `Policy "${policy.name}" requires "${feature}", which the backend lacks: ${capability}.`,
      details: { feature, reason: capability, policy: policy.name },
    });
  }
  if (option !== undefined) checkCount("stream", "budget", option, 1);
  const conflict = (message: string): KVPolicyError =>
    new KVPolicyError({
      code: "config",
      message,
      details: { option: "budget", value: option ?? policy.budget },
    });
  if (option !== undefined && policy.budget !== undefined && option !== policy.budget) {
    throw conflict(
      `The stream's budget of ${option} cells contradicts policy "${policy.name}", whose options add up to ${policy.budget}.`,
    );
  }
  const budget = option ?? policy.budget ?? capabilities.capacity;
  if (budget > capabilities.capacity) {
    throw conflict(
      `A budget of ${budget} cells is more than the ${capabilities.capacity} that the backend can hold.`,
    );
  }
  const problem = policy.checkBudget?.(budget);
  if (problem !== undefined)
    throw conflict(`Policy "${policy.name}" cannot work with a budget of ${budget} cells: ${problem}.`);
  return budget;
}
