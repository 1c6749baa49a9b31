import { LawBroken, type Law, type PolicySubject } from "@kvpolicy/conformance";

import { lineOf } from "./policy-problem.js";

/** How a policy broke a law. */
export interface LawBreach {
  /** What was not so, in words. */
  readonly problem: string;
  /** The seed that repeats it in a test of one's own, for a law that is tried on random cases. */
  readonly seed: number | undefined;
  /** The smallest case that was found. */
  readonly counterexample: string | undefined;
  /** Line of the code that threw. */
  readonly line: number | undefined;
}

/** What became of a law. */
export type LawOutcome =
  | { readonly state: "holds" }
  | { readonly state: "does not apply" }
  | { readonly state: "broken"; readonly breach: LawBreach };

/** Tries a law on a policy. */
export async function tryLaw(law: Law<PolicySubject>, subject: PolicySubject): Promise<LawOutcome> {
  if (!law.concerns(subject)) return { state: "does not apply" };
  try {
    await law.check(subject);
    return { state: "holds" };
  } catch (error) {
    if (!(error instanceof LawBroken)) throw error;
    return { state: "broken", breach: breachOf(error) };
  }
}

/** Takes what a broken law says apart: the name of the law stands beside it, and the case is for a second look. */
function breachOf(error: LawBroken): LawBreach {
  const message = error.message.replace(`The law "${error.law}" is broken: `, "");
  const [, problem = message, seed, counterexample] =
    /^(.*) \(seed (-?\d+), path "[^"]*", case (.*)\)$/s.exec(message) ?? [];
  return {
    problem: problem.replace("KVPolicyError: ", "").replace(/\.$/, ""),
    seed: seed === undefined ? undefined : Number(seed),
    counterexample,
    line: lineOf(error),
  };
}
