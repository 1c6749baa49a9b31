import { demand } from "../breach.js";
import { defineLaw, type Law } from "../law.js";
import { forAll } from "../property.js";
import { ask, evictedCells, rangeText } from "./ask.js";
import type { PolicySubject } from "./subject.js";
import { viewOf, viewsFor } from "./views.js";

const group = "plans";

/** A plan can be carried out. */
export const planLaws: readonly Law<PolicySubject>[] = [
  defineLaw({
    group,
    name: "names sorted, disjoint ranges of cells in use",
    why: "Anything else is refused with `invalid-plan`, in the middle of a user's stream.",
    check: (subject) =>
      forAll(subject, viewsFor(subject), (facts) => {
        const policy = subject.create();
        const plan = ask(policy, viewOf(facts, policy));
        let previousEnd = 0;
        for (const range of plan?.evict ?? []) {
          const { start, end } = range;
          const text = rangeText(range);
          demand(Number.isSafeInteger(start) && Number.isSafeInteger(end), `${text} is not of whole numbers`);
          demand(start < end, `${text} is empty or reversed`);
          demand(start >= 0 && end <= facts.budget, `${text} lies outside the ${facts.budget} cells in use`);
          demand(start >= previousEnd, `${text} overlaps the range before it, or is not sorted`);
          previousEnd = end;
        }
      }),
  }),
  defineLaw({
    group,
    name: "frees at least what is required, or answers null",
    why: "A plan that frees less is refused; a combinator that asks for more would ask for ever.",
    check: (subject) =>
      forAll(subject, viewsFor(subject), (facts) => {
        const policy = subject.create();
        const plan = ask(policy, viewOf(facts, policy));
        const freed = evictedCells(plan).size;
        demand(
          plan === null || freed >= facts.required,
          `it frees ${freed} cells where ${facts.required} are required`,
        );
      }),
  }),
  defineLaw({
    group,
    name: "reuses survivors only when it requires reindex",
    why: "What a policy requires is checked before a stream opens: on a backend without it the stream would fail at the first eviction.",
    check: (subject) =>
      forAll(subject, viewsFor(subject), (facts) => {
        const policy = subject.create();
        const plan = ask(policy, viewOf(facts, policy));
        if (plan === null) return;
        const survivors: string = plan.survivors;
        demand(
          survivors === "recompute" || survivors === "reuse",
          `survivors must be "reuse" or "recompute", not ${survivors}`,
        );
        demand(
          survivors === "recompute" || policy.requires.includes("reindex"),
          'it reuses the survivors and does not require "reindex"',
        );
      }),
  }),
];
