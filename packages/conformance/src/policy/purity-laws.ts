import fc from "fast-check";

import { demand } from "../breach.js";
import { defineLaw, type Law } from "../law.js";
import { forAll } from "../property.js";
import { ask, textOf } from "./ask.js";
import type { PolicySubject } from "./subject.js";
import { viewOf, viewsFor } from "./views.js";

const group = "purity";

/** A plan depends on the view alone. */
export const purityLaws: readonly Law<PolicySubject>[] = [
  defineLaw({
    group,
    name: "answers the same for the same view",
    why: "State, a clock or a random number in a policy makes runs that nobody can repeat, and cells that depend on how appends were cut.",
    check: (subject) =>
      forAll(subject, fc.array(viewsFor(subject), { minLength: 1, maxLength: 5 }), (views) => {
        const plansOf = (order: typeof views, policy = subject.create()): string[] =>
          order.map((view) => textOf(ask(policy, viewOf(view, policy))));
        const policy = subject.create();
        const first = plansOf(views, policy);
        const answers = {
          "asked again": plansOf(views, policy),
          "asked of another instance": plansOf(views),
          "asked in another order": plansOf([...views].reverse()).reverse(),
        };
        for (const [how, plans] of Object.entries(answers)) {
          plans.forEach((plan, index) => {
            demand(
              plan === first[index],
              `it answered ${first[index] ?? ""} and, ${how}, ${plan} for the same view`,
            );
          });
        }
      }),
  }),
  defineLaw({
    group,
    name: "leaves the view as it is",
    why: "Marks belong to the stream and to the other policies around this one.",
    check: (subject) =>
      forAll(subject, viewsFor(subject), (facts) => {
        const policy = subject.create();
        const view = viewOf(facts, policy);
        const before = JSON.stringify(view);
        // The view is frozen, so a change throws in strict code.
        ask(policy, view);
        demand(JSON.stringify(view) === before, "it changed its view");
      }),
  }),
  defineLaw({
    group,
    name: "reads only cells that are in use",
    why: "There is nothing behind the last cell: a stream throws, and the call fails with `invalid-plan`.",
    check: (subject) =>
      forAll(subject, viewsFor(subject), (facts) => {
        const policy = subject.create();
        const misreads: string[] = [];
        try {
          policy.plan(viewOf(facts, policy, misreads));
        } catch (error) {
          if (misreads.length === 0) throw error;
        }
        demand(misreads.length === 0, `it read ${misreads[0] ?? ""}`);
      }),
  }),
];
