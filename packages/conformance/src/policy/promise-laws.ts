import { BOS_MARK, PINNED_MARK, type CacheRange } from "@kvpolicy/core";

import { Breach, demand } from "../breach.js";
import { defineLaw, type Law } from "../law.js";
import { forAll } from "../property.js";
import { ask, evictedCells } from "./ask.js";
import { failureOf, fewBudgets, openStream, runLong } from "./long-run.js";
import { promisesOf, type PolicySubject } from "./subject.js";
import { viewOf, viewsFor, type ViewFacts } from "./views.js";

const group = "promises";

/** Cells that a policy says it keeps. */
export const promiseLaws: readonly Law<PolicySubject>[] = [
  promise(
    "never evicts the first cells",
    "Attention sinks hold only while they stay: most models collapse with the first token.",
    (subject) => promisesOf(subject).first !== 0,
    ({ marks, budget }, subject) => {
      const { first } = promisesOf(subject, budget);
      const bos = marks.find(({ name }) => name === BOS_MARK);
      const end = first === "bos" ? (bos?.end ?? 0) : Math.min(first, budget);
      return [{ start: 0, end }];
    },
  ),
  promise(
    "never evicts a pinned cell",
    "A plan that touches a pin is refused with `invalid-plan`.",
    (subject) => promisesOf(subject).pinned,
    ({ marks }) => marks.filter(({ name }) => name === PINNED_MARK),
  ),
  promise(
    "never evicts the newest token when a stream asks",
    "The next token would be predicted without the one before it.",
    (subject) => promisesOf(subject).newest,
    ({ budget, required }) => (required === 1 ? [{ start: budget - 1, end: budget }] : []),
  ),
];

/** Cells that may not leave, by what is asked. */
type Kept = (
  facts: Pick<ViewFacts, "budget" | "required" | "marks">,
  subject: PolicySubject,
) => readonly CacheRange[];

function promise(
  name: string,
  why: string,
  concerns: (subject: PolicySubject) => boolean,
  kept: Kept,
): Law<PolicySubject> {
  return defineLaw({
    group,
    name,
    why,
    concerns,
    check: async (subject) => {
      await forAll(subject, viewsFor(subject), (facts) => {
        const policy = subject.create();
        const evicted = evictedCells(ask(policy, viewOf(facts, policy)));
        for (const { start, end } of kept(facts, subject)) {
          for (let index = start; index < end; index += 1)
            demand(!evicted.has(index), `it evicts cell ${index}`);
        }
      });
      for (const budget of fewBudgets(subject)) await checkStream(subject, budget, kept);
    },
  });
}

/** Holds the evictions of a long stream against a promise. The beginning-of-sequence token is its first cell while it is kept. */
async function checkStream(subject: PolicySubject, budget: number, kept: Kept): Promise<void> {
  const stream = openStream(subject.create(), budget, 0);
  let marks = [{ name: BOS_MARK, start: 0, end: 1 }];
  stream.onEvict(({ ranges, position, positions }) => {
    const spared = kept({ budget, required: 1, marks }, subject);
    for (const { start, end } of ranges) {
      const isSpared = spared.every((range) => range.end <= start || end <= range.start);
      demand(
        isSpared,
        `with a budget of ${budget} cells, it evicts ${start} … ${end - 1} at token ${position}`,
      );
    }
    if (positions[0] === 0) marks = [];
  });
  const failure = await failureOf(runLong(stream));
  if (failure instanceof Breach) throw failure;
}
