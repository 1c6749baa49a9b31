import type { Law } from "../law.js";
import { registerLaws, type TestRunner } from "../runner.js";
import { descriptionLaws } from "./description-laws.js";
import { planLaws } from "./plan-laws.js";
import { promiseLaws } from "./promise-laws.js";
import { purityLaws } from "./purity-laws.js";
import { streamLaws } from "./stream-laws.js";
import { settleBudgets, type PolicySubject } from "./subject.js";

/** What every policy does, one law a test. */
export const policyLaws: readonly Law<PolicySubject>[] = [
  ...purityLaws,
  ...planLaws,
  ...promiseLaws,
  ...streamLaws,
  ...descriptionLaws,
];

/**
 * Registers the laws of policies as tests. Those about promises that the policy does not make are left out.
 *
 * @example
 * ```ts
 * policySuite({ describe, test }, { name: "fifo", create: () => fifo });
 * ```
 * @throws {KVPolicyError} `config` when the subject skips what is no law and no group, gives no reason, or has an option that is
 * not what it may be.
 */
export function policySuite(runner: TestRunner, subject: PolicySubject): void {
  settleBudgets(subject);
  registerLaws(runner, "the laws of a policy", policyLaws, subject);
}
