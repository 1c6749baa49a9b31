import { KVPolicyError } from "@kvpolicy/core";

import { problemOf, type PolicyProblem } from "./policy-problem.js";

/**
 * What ended a stream, when it is the policy's fault: a plan that could not be carried out comes with its numbers. `undefined` when
 * nothing may leave, which a policy is free to say.
 */
export function streamProblem(failure: unknown): PolicyProblem | undefined {
  if (KVPolicyError.isInstance(failure, "cache-full")) return undefined;
  if (!KVPolicyError.isInstance(failure, "invalid-plan")) return problemOf(failure);
  const { plan, problem, length, required } = failure.details;
  const asked = `With ${length} cells in use and ${required} to be freed`;
  if (failure.cause === undefined)
    return { message: `${asked}, plan() answered ${textOf(plan)}: ${problem}.`, line: undefined };
  const { message, line } = problemOf(failure.cause);
  return { message: `${asked}, plan() threw: ${message.replace(/\.$/, "")}.`, line };
}

function textOf(plan: unknown): string {
  if (plan === undefined) return "undefined";
  if (typeof plan === "function") return "a function";
  try {
    return JSON.stringify(plan);
  } catch {
    return "an object that refers to itself";
  }
}
