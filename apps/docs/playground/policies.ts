import { KVPolicyError, type KVCachePolicy } from "@kvpolicy/core";
import { pinned } from "@kvpolicy/pinned";
import { turnAligned } from "@kvpolicy/turn-aligned";

import { POLICY_KINDS, type FindTokens, type PolicyField, type PolicyKind } from "./policy-kinds.js";
import type { PolicySetting, WrapperName } from "./policy-setting.js";

export { codeOf } from "./policy-code.js";
export type { FindTokens } from "./policy-kinds.js";

/** Names of the policies that wrap none, in the order in which they are offered. */
export const POLICY_NAMES: readonly string[] = POLICY_KINDS.map(({ name }) => name);

/** A policy that wraps another one, as a form offers it. */
export interface WrapperKind {
  /** Its name. */
  readonly name: WrapperName;
  /** What it adds, in one sentence. */
  readonly hint: string;
  /** Makes it. */
  readonly wrap: (inner: KVCachePolicy) => KVCachePolicy;
}

/** Policies that wrap one, the innermost first. */
export const WRAPPERS: readonly WrapperKind[] = [
  { name: "turn-aligned", hint: "Whole turns leave.", wrap: (inner) => turnAligned(inner) },
  { name: "pinned", hint: "Pinned tokens never leave.", wrap: pinned },
];

/** Before a vocabulary is there, some token stands for each that is looked for: enough to check options with. */
const WITHOUT_VOCABULARY: FindTokens = () => [0];

/**
 * What the playground knows of a policy.
 *
 * @throws {KVPolicyError} `config` for a name that it does not know.
 */
export function policyKind(name: string): PolicyKind {
  const kind = POLICY_KINDS.find((one) => one.name === name);
  if (kind) return kind;
  throw badSetting("policy", name, `there is no policy "${name}"; known are ${POLICY_NAMES.join(", ")}`);
}

/** The options of a policy, as a form shows them. */
export function fieldsOf(name: string): readonly PolicyField[] {
  return policyKind(name).fields;
}

/**
 * Makes the policy of a setting. `findTokens` looks tokens up in the vocabulary of the stream, for `separator`; without it, the policy
 * is good only to check the options and to be described.
 *
 * @throws {KVPolicyError} `config` for an unknown policy or option, or a value that cannot work.
 */
export function createPolicy(
  { policy, options, wrappers = [] }: PolicySetting,
  findTokens: FindTokens = WITHOUT_VOCABULARY,
): KVCachePolicy {
  const kind = policyKind(policy);
  const known = ["window", ...kind.fields.map(({ name }) => name)];
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw badSetting(unknown, options[unknown], `${policy} has no option "${unknown}"`);
  return WRAPPERS.filter(({ name }) => wrappers.includes(name)).reduce(
    (inner, { wrap }) => wrap(inner),
    kind.create(options, findTokens),
  );
}

/**
 * Why a setting cannot work, in words; `undefined` when it can. With a budget, that is checked too.
 */
export function findSettingProblem(setting: PolicySetting, budget?: number): string | undefined {
  try {
    const policy = createPolicy(setting);
    const problem = budget === undefined ? undefined : policy.checkBudget?.(budget);
    return problem && `${setting.policy}: with a budget of ${budget}, ${problem}.`;
  } catch (error) {
    if (KVPolicyError.isInstance(error)) return error.message;
    throw error;
  }
}

function badSetting(option: string, value: unknown, problem: string): KVPolicyError<"config"> {
  return new KVPolicyError({ code: "config", message: `${problem}.`, details: { option, value } });
}
