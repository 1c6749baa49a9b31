import {
  BOS_MARK,
  PINNED_MARK,
  resolveStride,
  type Mark,
  type PolicyDescription,
  type PolicyShape,
  type Requirement,
} from "@kvpolicy/core";
import fc from "fast-check";

import { Breach, demand } from "../breach.js";
import { defineLaw, type Law } from "../law.js";
import { forAll } from "../property.js";
import { ask, rangeText } from "./ask.js";
import { promisesOf, type PolicySubject } from "./subject.js";
import { viewOf, viewsFor } from "./views.js";

const group = "description";

/** Every word of {@link Requirement}: a word that is added there is missed here by the compiler. */
const REQUIREMENTS: Readonly<Record<Requirement, true>> = {
  reindex: true,
  nll: true,
  attention: true,
  keys: true,
};

/** What a policy says about itself. */
export const descriptionLaws: readonly Law<PolicySubject>[] = [
  defineLaw({
    group,
    name: "goes by one kebab-case name",
    why: "Errors, events and reports are told apart by it.",
    check: (subject) => {
      const policy = subject.create();
      demand(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(policy.name), `"${policy.name}" is not kebab-case`);
      const described = policy.describe().name;
      demand(
        described === policy.name,
        `it is called "${policy.name}" and describes itself as "${described}"`,
      );
    },
  }),
  defineLaw({
    group,
    name: "requires only what backends know",
    why: "A word that no backend has is lacking everywhere: the stream never opens.",
    check: (subject) => {
      const { requires } = subject.create();
      for (const word of requires) demand(Object.hasOwn(REQUIREMENTS, word), `"${word}" is no requirement`);
      demand(new Set(requires).size === requires.length, `it requires twice: ${requires.join(", ")}`);
    },
  }),
  defineLaw({
    group,
    name: "describes itself in plain data",
    why: "Descriptions travel in snapshots and reports: a function is lost on the way, and NaN comes back as null.",
    check: (subject) => {
      const description = subject.create().describe();
      const problem = findUnplain(description, "describe()");
      if (problem !== undefined) throw new Breach(problem);
      checkForm(description);
      structuredClone(description);
    },
  }),
  defineLaw({
    group,
    name: "describes itself the same every time",
    why: "A report must say what ran.",
    check: (subject) =>
      forAll(subject, viewsFor(subject), (facts) => {
        const policy = subject.create();
        const before = JSON.stringify(policy.describe());
        ask(policy, viewOf(facts, policy));
        const after = JSON.stringify(policy.describe());
        demand(after === before, `it was ${before} before a plan and ${after} after it`);
        const other = JSON.stringify(subject.create().describe());
        demand(other === before, `one instance says ${before}, another ${other}`);
      }),
  }),
  defineLaw({
    group,
    name: "says in words why a budget cannot work",
    why: "`checkBudget` is asked when a stream opens, and its answer is the end of the error's sentence.",
    check: (subject) =>
      forAll(
        subject,
        fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 2 ** 31 })),
        (budget) => {
          const policy = subject.create();
          const problem: unknown = policy.checkBudget?.(budget);
          demand(
            problem === undefined || (typeof problem === "string" && problem.trim() !== ""),
            `of ${budget} cells it says ${String(problem)}`,
          );
          const own = policy.budget === undefined ? undefined : policy.checkBudget?.(policy.budget);
          demand(own === undefined, `it refuses the budget of its own options: ${own ?? ""}`);
        },
      ),
  }),
  defineLaw({
    group,
    name: "evicts what its shape says",
    why: "Engines that are configured instead of driven are set up from the shape alone.",
    concerns: (subject) => subject.create().describe().shape !== "opaque",
    check: (subject) =>
      forAll(subject, viewsFor(subject), (facts) => {
        const policy = subject.create();
        const { shape } = policy.describe();
        if (shape === "opaque") return;
        // Who spares pins cannot evict by the shape alone where there are some.
        const { pinned } = promisesOf(subject);
        const marks = pinned ? facts.marks.filter(({ name }) => name !== PINNED_MARK) : facts.marks;
        const plan = ask(policy, viewOf({ ...facts, marks }, policy));
        if (plan === null) return;
        demand(shape.stride !== 0, "its shape says that nothing ever leaves, and it evicts");
        demand(
          plan.survivors === shape.survivors,
          `its shape says ${shape.survivors}, its plan ${plan.survivors} for the survivors`,
        );
        const first = firstCells(shape, marks);
        const text = plan.evict.map(rangeText).join(" ");
        const [range] = plan.evict;
        demand(
          plan.evict.length === 1 && range?.start === first,
          `its shape keeps the first ${first} cells and evicts those behind them, its plan evicts ${text}`,
        );
        if (shape.stride === "default") return;
        const cells = range.end - range.start;
        const stride = Math.max(facts.required, resolveStride(shape.stride, facts.budget - first));
        demand(
          cells === stride,
          `its shape says a stride of ${shape.stride}, which is ${stride} of the ${facts.budget - first} cells that may leave where ${facts.required} are required, and it evicts ${cells}`,
        );
      }),
  }),
  defineLaw({
    group,
    name: "has the budget that its shape adds up to",
    why: "The budget sizes the cache: a shape that says otherwise is wrong or wastes memory.",
    concerns: (subject) => cellsOf(subject) !== undefined,
    check: (subject) => {
      const cells = cellsOf(subject);
      const { budget } = subject.create();
      demand(budget === cells, `its shape keeps ${String(cells)} cells, its budget is ${String(budget)}`);
    },
  }),
];

/** Cells that the shape of a policy adds up to, when it fixes them. */
function cellsOf(subject: PolicySubject): number | undefined {
  const { shape } = subject.create().describe();
  if (shape === "opaque" || typeof shape.first !== "number" || typeof shape.recent !== "number")
    return undefined;
  return shape.first + shape.recent;
}

function firstCells({ first }: PolicyShape, marks: readonly Mark[]): number {
  if (first !== "bos") return first;
  return marks.find(({ name, start }) => name === BOS_MARK && start === 0)?.end ?? 0;
}

function checkForm({ name, shape, options, inner }: PolicyDescription): void {
  demand(typeof name === "string", "the name is no string");
  for (const [option, value] of Object.entries(options)) {
    demand(value === null || typeof value !== "object", `the option ${option} is neither a value nor null`);
  }
  if (inner) checkForm(inner);
  if (shape === "opaque") return;
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
  demand(shape.first === "bos" || isCount(shape.first), `first is ${shape.first}`);
  demand(shape.recent === "rest" || isCount(shape.recent), `recent is ${shape.recent}`);
  demand(
    shape.stride === "half" || shape.stride === "default" || isCount(shape.stride),
    `stride is ${shape.stride}`,
  );
}

/** Where a value holds what does not survive JSON, in words. */
function findUnplain(value: unknown, path: string): string | undefined {
  if (value === null || typeof value === "string" || typeof value === "boolean") return undefined;
  if (typeof value === "number") return Number.isFinite(value) ? undefined : `${path} is ${value}`;
  if (typeof value !== "object") return `${path} is of type ${typeof value}`;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) {
    return `${path} is no plain object`;
  }
  // An inner description that is undefined is none, and JSON leaves it out.
  return Object.entries(value)
    .filter(([key, inner]) => key !== "inner" || inner !== undefined)
    .map(([key, inner]) => findUnplain(inner, `${path}.${key}`))
    .find((problem) => problem !== undefined);
}
