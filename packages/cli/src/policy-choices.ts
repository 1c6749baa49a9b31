import type { MeasuredModel, PolicyChoice } from "@kvpolicy/bench";
import type { Stride } from "@kvpolicy/core";
import { Option } from "commander";
import { z } from "zod";

import { withoutModel } from "./policy-kinds.js";
import { parsePolicySpec, type PolicySpec } from "./policy-spec.js";
import { badOption } from "./report-error.js";

/** Most cells of a policy that never evicts, on a model that was trained on less than a quarter of it. */
const DENSE_CELLS = 16_384;

/** The option `--policy`, repeatable. */
export function policyOption(defaults: readonly string[]): Option {
  return new Option(
    "--policy <spec>",
    `policy to compare, repeatable, such as sink-window:sinks=1,stride=16, or a module of your own, ./my-policy.js (default: ${defaults.join(", ")})`,
  ).argParser((spec: string, specs: readonly string[] | undefined) => [...(specs ?? []), spec]);
}

/** Schema of `--policy`. */
export const policySpecs = z.array(z.string()).optional();

/**
 * Reads policies from the command line and tries them with every budget. Modules of one's own may have policies and files of the same
 * names: a number tells these apart.
 *
 * @throws {KVPolicyError} `config` for a spec that cannot be read, is given twice, or cannot work with a budget.
 */
export async function parsePolicies(
  specs: readonly string[],
  stride: Stride,
  budgets: readonly number[],
): Promise<PolicySpec[]> {
  const policies: PolicySpec[] = [];
  for (const [index, spec] of specs.entries()) {
    const policy = await parsePolicy(spec, stride, budgets);
    if (specs.indexOf(spec) < index)
      throw badOption("policy", spec, `--policy ${policy.name} is given twice.`);
    policies.push(nameApart(policy, policies));
  }
  return policies;
}

/**
 * Reads one policy from the command line and tries it with every budget.
 *
 * @throws {KVPolicyError} `config` for a spec that cannot be read, or cannot work with a budget.
 */
export async function parsePolicy(
  spec: string,
  stride: Stride,
  budgets: readonly number[],
): Promise<PolicySpec> {
  const policy = await parsePolicySpec(spec, stride, budgets[0]);
  for (const budget of budgets) checkBudget(policy, budget);
  return policy;
}

function nameApart(spec: PolicySpec, others: readonly PolicySpec[]): PolicySpec {
  const isTaken = (name: string): boolean => others.some((other) => other.name === name);
  if (!isTaken(spec.name)) return spec;
  let number = 2;
  while (isTaken(`${spec.name} ${number}`)) number += 1;
  return { ...spec, name: `${spec.name} ${number}` };
}

/** Refuses a policy that cannot work with a budget. */
function checkBudget({ name, create }: PolicySpec, budget: number): void {
  const refuse = (problem: string, cause?: unknown): Error =>
    badOption("policy", name, `--policy ${name} cannot work with a budget of ${budget}: ${problem}.`, cause);
  const policy = create(withoutModel(budget));
  let problem: string | undefined;
  try {
    problem = policy.checkBudget?.(budget);
  } catch (cause) {
    throw refuse(`it failed in checkBudget: ${String(cause)}`, cause);
  }
  if (policy.budget !== undefined && policy.budget !== budget)
    problem ??= `its options add up to ${policy.budget} cells`;
  if (problem !== undefined) throw refuse(problem);
}

/** Whether a policy never evicts, so that a budget means nothing to it. */
export function neverEvicts({ create }: PolicySpec): boolean {
  return create(withoutModel(DENSE_CELLS)).name === "dense";
}

/** The policies of a command for an experiment. */
export function choosePolicies(
  specs: readonly PolicySpec[],
  model: MeasuredModel,
  tokens: number,
): PolicyChoice[] {
  return specs.map((spec) => choosePolicy(spec, model, tokens));
}

/**
 * A policy of a command for an experiment. Dense gets a cell for every token, up to well beyond the trained length, where it has long
 * shown what becomes of it.
 */
export function choosePolicy(spec: PolicySpec, model: MeasuredModel, tokens: number): PolicyChoice {
  const denseCells = Math.min(tokens + 1, Math.max(DENSE_CELLS, 4 * (model.trainedLength ?? 0)));
  return {
    name: spec.name,
    create: (budget) => spec.create({ findTokens: (isWanted) => model.findTokens(isWanted), budget }),
    ...(neverEvicts(spec) && { cells: denseCells }),
  };
}
