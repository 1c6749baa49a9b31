import { policyLaws, type PolicySubject } from "@kvpolicy/conformance";
import type { KVCachePolicy } from "@kvpolicy/core";

import { acceptedBudget, budgetsToTry, MOST_CELLS, type BudgetRange } from "./budgets.js";
import { compareOnModel, MODEL_BUDGET } from "./compare-on-model.js";
import { compilePolicy } from "./compile-policy.js";
import { drawCells, PICTURE_BUDGET } from "./draw-cells.js";
import type { Emit, ExaminationRequest, ModelText, Promises } from "./examination.js";
import { tryLaw } from "./law-outcome.js";
import { PolicyCodeError, problemOf } from "./policy-problem.js";

/** Asks for the model once it is needed; there may be none. */
type ReceiveModel = () => Promise<ModelText | undefined>;

/**
 * Examines the policy in some code: compiles it, draws its cells, tries every law on it and reads a text with it, and tells what it
 * finds on the way. It ends early with a problem; code that does not end has to be ended from outside.
 */
export async function examinePolicy(
  { source, promises, seed, known }: ExaminationRequest,
  emit: Emit,
  receiveModel: ReceiveModel,
): Promise<void> {
  try {
    emit({ kind: "begins", part: "the module", what: "the module was run" });
    const create = compilePolicy(source);
    const policy = create();
    const budgets = budgetsToTry(policy);
    if (!budgets) throw withoutBudget(policy);
    emit({ kind: "policy", name: policy.name, budgets: textOf(budgets) });
    await drawCells(policy, budgetFor(policy, PICTURE_BUDGET), emit);
    await tryLaws({ name: policy.name, create, budgets, promises: settle(promises), seed }, emit);
    const modelText = await receiveModel();
    if (modelText) await compareOnModel(policy, budgetFor(policy, MODEL_BUDGET), modelText, known, emit);
    emit({ kind: "done" });
  } catch (error) {
    emit({ kind: "problem", problem: problemOf(error) });
  }
}

async function tryLaws(subject: PolicySubject, emit: Emit): Promise<void> {
  for (const [index, law] of policyLaws.entries()) {
    emit({ kind: "begins", part: "the laws", what: `the law “${law.name}” was tried` });
    emit({ kind: "law", index, outcome: await tryLaw(law, subject) });
  }
}

/** A promise that is not ticked is left to what the policy says of itself. */
function settle({ endless, ...others }: Promises): PolicySubject["promises"] {
  return endless ? { endless, ...others } : others;
}

function budgetFor(policy: KVCachePolicy, wished: number): number {
  const budget = acceptedBudget(policy, wished);
  if (budget === undefined) throw withoutBudget(policy);
  return budget;
}

function withoutBudget({ name }: KVCachePolicy): PolicyCodeError {
  return new PolicyCodeError(`"${name}" accepts no budget from 1 to ${MOST_CELLS} cells.`);
}

function textOf({ minimum, maximum }: BudgetRange): string {
  return minimum === maximum ? `${minimum}` : `${minimum} to ${maximum}`;
}
