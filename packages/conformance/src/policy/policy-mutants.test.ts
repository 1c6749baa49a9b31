import {
  BOS_MARK,
  definePolicy,
  PINNED_MARK,
  type CacheRange,
  type CacheView,
  type EvictionPlan,
  type KVCachePolicy,
  type Mark,
  type PolicyDefinition,
  type PolicyShape,
  type Requirement,
} from "@kvpolicy/core";
import { beforeAll, describe, expect, test } from "vitest";

import { fixSeed } from "../../testing/fixed-seed.js";
import { brokenLaws } from "../law.js";
import { policyLaws } from "./policy-suite.js";
import { budgetsOf, type PolicySubject } from "./subject.js";

beforeAll(fixSeed);

const SINKS = 4;
const STRIDE = 2;

const shape: PolicyShape = { first: SINKS, recent: "rest", stride: STRIDE, survivors: "reuse" };
const promises = { pinned: true, newest: true, endless: true };

/** A sound policy: keeps the first four cells, the pins and the newest token, and evicts the two oldest of the others. */
function sound(changes: Partial<PolicyDefinition> = {}): KVCachePolicy {
  return definePolicy({
    name: "sound",
    requires: ["reindex"],
    checkBudget: (budget) => (budget < SINKS + STRIDE + 1 ? "there is no room behind the sinks" : undefined),
    plan: (view) => evictOldest(view),
    describe: () => ({ name: "sound", shape, options: { sinks: SINKS } }),
    ...changes,
  });
}

/** Evicts the oldest cells that may leave. */
function evictOldest(
  view: CacheView,
  { first = SINKS, count = Math.max(STRIDE, view.required), spares = isPinned, last = view.length - 1 } = {},
): EvictionPlan | null {
  const cells: number[] = [];
  for (let index = first; index < last && cells.length < count; index += 1) {
    if (!spares(view, index)) cells.push(index);
  }
  if (cells.length < Math.min(count, view.required)) return null;
  return {
    evict: cells.map((index) => ({ start: index, end: index + 1 })).reduce(joined, []),
    survivors: "reuse",
  };
}

function joined(ranges: CacheRange[], next: CacheRange): CacheRange[] {
  const last = ranges.at(-1);
  return last?.end === next.start
    ? [...ranges.slice(0, -1), { start: last.start, end: next.end }]
    : [...ranges, next];
}

function isPinned({ marks }: CacheView, index: number): boolean {
  return marks.some(({ name, start, end }) => name === PINNED_MARK && start <= index && index < end);
}

function changePlan(
  change: (evict: readonly CacheRange[], view: CacheView) => readonly CacheRange[],
): KVCachePolicy {
  return sound({
    plan: (view) => {
      const plan = evictOldest(view);
      return plan && { ...plan, evict: change(plan.evict, view) };
    },
  });
}

function describing(change: object): KVCachePolicy {
  return sound({ describe: () => ({ name: "sound", shape, options: {}, ...change }) });
}

/** Forgets a promise at every fortieth call: a property of a few calls does not see it. */
function everyFortieth(evict: (view: CacheView) => readonly CacheRange[]): () => KVCachePolicy {
  return () => {
    let count = 0;
    return sound({
      plan: (view) => {
        count += 1;
        return count % 40 === 0 ? { evict: evict(view), survivors: "reuse" } : evictOldest(view);
      },
    });
  };
}

/** The sound policy with one other stride than its shape says. */
function withStride(
  stride: PolicyShape["stride"],
  countOf: (view: CacheView) => number,
): () => KVCachePolicy {
  return () =>
    sound({
      plan: (view) => evictOldest(view, { count: Math.max(view.required, countOf(view)), last: view.length }),
      describe: () => ({ name: "sound", shape: { ...shape, stride }, options: {} }),
    });
}

let calls = 0;

/** What a mutant does wrong, how it is made, and the laws that must notice. */
const mutants: readonly (readonly [fault: string, create: () => KVCachePolicy, laws: readonly string[]])[] = [
  [
    "drops the last of the first cells",
    () => sound({ plan: (view) => evictOldest(view, { first: SINKS - 1 }) }),
    ["never evicts the first cells", "evicts what its shape says"],
  ],
  [
    "drops a first cell only when many cells are required",
    () => sound({ plan: (view) => evictOldest(view, { first: view.required > 12 ? SINKS - 1 : SINKS }) }),
    ["never evicts the first cells"],
  ],
  [
    "frees one too few when more than its stride is required",
    () => sound({ plan: (view) => evictOldest(view, { count: Math.max(STRIDE, view.required - 1) }) }),
    ["frees at least what is required, or answers null"],
  ],
  [
    "counts its calls in the module",
    () =>
      sound({
        plan: (view) => {
          calls += 1;
          return evictOldest(view, { count: Math.max(view.required, STRIDE + (calls % 2)) });
        },
      }),
    ["answers the same for the same view", "evicts what its shape says"],
  ],
  [
    "counts its calls in the instance",
    () => {
      let count = 0;
      return sound({
        plan: (view) => {
          count += 1;
          return evictOldest(view, { count: Math.max(view.required, STRIDE + Number(count > 2)) });
        },
      });
    },
    ["answers the same for the same view"],
  ],
  [
    "remembers the first view that it saw",
    () => {
      let first: number | undefined;
      return sound({
        plan: (view) => {
          first ??= view.streamPosition(view.length - 1);
          return evictOldest(view, { count: Math.max(view.required, STRIDE + (first % 2)) });
        },
      });
    },
    ["answers the same for the same view"],
  ],
  [
    "counts its calls, and drops the first cells at every fortieth",
    everyFortieth(({ required }) => [{ start: 0, end: Math.max(STRIDE, required) }]),
    [
      "evicts in a long stream what a policy evicts that was never asked before",
      "never evicts the first cells",
    ],
  ],
  [
    "counts its calls, and drops the newest token at every fortieth",
    everyFortieth(({ length, required }) => [{ start: length - Math.max(STRIDE, required), end: length }]),
    [
      "evicts in a long stream what a policy evicts that was never asked before",
      "never evicts the newest token when a stream asks",
    ],
  ],
  [
    "counts its calls, and forgets the pins at every fortieth",
    everyFortieth((view) => evictOldest(view, { spares: () => false })?.evict ?? []),
    ["evicts in a long stream what a policy evicts that was never asked before"],
  ],
  [
    "fails far down a stream",
    () =>
      sound({
        plan: (view) =>
          view.streamPosition(view.length - 1) > 10_000
            ? { evict: [{ start: SINKS, end: SINKS }], survivors: "reuse" }
            : evictOldest(view),
      }),
    ["names sorted, disjoint ranges of cells in use", "frees at least what is required, or answers null"],
  ],
  [
    "counts stream positions in 32 bits",
    () =>
      sound({
        plan: (view) => {
          if (view.required > 1) return evictOldest(view);
          const index = ((view.streamPosition(view.length - 1) | 0) * 7) % view.length;
          return { evict: [{ start: index, end: index + 1 }], survivors: "reuse" };
        },
      }),
    ["names sorted, disjoint ranges of cells in use"],
  ],
  [
    "counts tokens in 32 bits",
    () =>
      sound({
        plan: (view) => {
          if (view.required > 1) return evictOldest(view);
          const index = (view.token(view.length - 1) | 0) % view.length;
          return { evict: [{ start: index, end: index + 1 }], survivors: "reuse" };
        },
      }),
    ["names sorted, disjoint ranges of cells in use"],
  ],
  [
    "takes the first cell for the first of the stream",
    () => sound({ plan: (view) => evictOldest(view, { first: view.streamPosition(0) > 0 ? 0 : SINKS }) }),
    ["never evicts the first cells"],
  ],
  [
    "draws lots with Math.random",
    () => sound({ plan: (view) => evictOldest(view, { first: SINKS + Number(Math.random() < 0.5) }) }),
    ["answers the same for the same view", "keeps the same cells however the tokens are cut into calls"],
  ],
  [
    "sorts the marks that it was given",
    () =>
      sound({
        plan: (view) => {
          (view.marks as Mark[]).sort((a, b) => a.start - b.start);
          return evictOldest(view);
        },
      }),
    ["leaves the view as it is"],
  ],
  [
    "moves a mark that it was given",
    () =>
      sound({
        plan: (view) => {
          for (const mark of view.marks) Object.assign(mark, { start: 0 });
          return evictOldest(view);
        },
      }),
    ["leaves the view as it is"],
  ],
  [
    "reads the cell behind the last",
    () =>
      sound({
        plan: (view) => {
          view.token(view.length);
          return evictOldest(view);
        },
      }),
    ["reads only cells that are in use", "works with every budget that it accepts"],
  ],
  [
    "reads the cell behind the last, and hides it",
    () =>
      sound({
        plan: (view) => {
          try {
            view.streamPosition(view.length);
          } catch {
            // Nobody is to know.
          }
          return evictOldest(view);
        },
      }),
    ["reads only cells that are in use"],
  ],
  [
    "evicts the newest token",
    () =>
      sound({
        plan: (view) => {
          const last = view.length - 1;
          return view.required > 1 || isPinned(view, last)
            ? evictOldest(view)
            : { evict: [{ start: last, end: last + 1 }], survivors: "reuse" };
        },
      }),
    ["never evicts the newest token when a stream asks"],
  ],
  [
    "evicts pins",
    () => sound({ plan: (view) => evictOldest(view, { spares: () => false }) }),
    ["never evicts a pinned cell", "works under any marks"],
  ],
  [
    "spares only the first cell of a pin",
    () =>
      sound({
        plan: (view) =>
          evictOldest(view, {
            spares: ({ marks }, index) =>
              marks.some(({ name, start }) => name === PINNED_MARK && start === index),
          }),
      }),
    ["never evicts a pinned cell", "works under any marks"],
  ],
  [
    "trips over a mark that it does not know",
    () =>
      sound({
        plan: (view) => {
          const known = new Map([
            [PINNED_MARK, true],
            [BOS_MARK, true],
            ["turn", true],
          ]);
          if (view.marks.some(({ name }) => !known.has(name))) throw new Error("what is this?");
          return evictOldest(view);
        },
      }),
    ["works under any marks"],
  ],
  [
    "names its ranges in the wrong order",
    () => changePlan((evict) => evict.flatMap(({ start, end }) => singles(start, end)).reverse()),
    ["names sorted, disjoint ranges of cells in use", "works with every budget that it accepts"],
  ],
  [
    "names a cell twice",
    () => changePlan((evict) => [...evict, ...evict.slice(-1)]),
    ["names sorted, disjoint ranges of cells in use", "works with every budget that it accepts"],
  ],
  [
    "names an empty range",
    () => changePlan((evict) => [{ start: SINKS, end: SINKS }, ...evict]),
    ["names sorted, disjoint ranges of cells in use"],
  ],
  [
    "names half a cell",
    () => changePlan((evict) => evict.map(({ start, end }) => ({ start, end: end - 0.5 }))),
    ["names sorted, disjoint ranges of cells in use"],
  ],
  [
    "names cells behind the last",
    () => changePlan((evict, { length }) => [...evict, { start: length, end: length + 1 }]),
    ["names sorted, disjoint ranges of cells in use", "works with every budget that it accepts"],
  ],
  [
    "reuses the survivors and requires nothing",
    () => sound({ requires: [] }),
    ["reuses survivors only when it requires reindex"],
  ],
  [
    "answers null although cells may leave",
    () => sound({ plan: (view) => (view.streamPosition(view.length - 1) > 1000 ? null : evictOldest(view)) }),
    ["goes on for ever within its budget"],
  ],
  [
    "accepts a budget that is too small for it",
    () =>
      sound({
        checkBudget: () => undefined,
        plan: () => ({ evict: [{ start: SINKS, end: SINKS + STRIDE }], survivors: "reuse" }),
      }),
    ["works with every budget that it accepts"],
  ],
  [
    "throws when it is asked about a large budget",
    () =>
      sound({
        checkBudget: (budget) => {
          if (budget > 64) throw new Error("too large");
          return undefined;
        },
      }),
    ["says in words why a budget cannot work"],
  ],
  [
    "says nothing about why a budget cannot work",
    () => sound({ checkBudget: (budget) => (budget < 7 ? "" : undefined) }),
    ["says in words why a budget cannot work"],
  ],
  [
    "describes itself with a function",
    () => describing({ options: { score: () => 1 } }),
    ["describes itself in plain data"],
  ],
  [
    "describes itself with NaN",
    () => describing({ options: { sinks: NaN } }),
    ["describes itself in plain data"],
  ],
  [
    "describes itself with a date",
    () => describing({ options: { made: new Date(0) } }),
    ["describes itself in plain data"],
  ],
  [
    "describes itself anew each time",
    () => {
      let count = 0;
      return sound({ describe: () => ({ name: "sound", shape, options: { count: (count += 1) } }) });
    },
    ["describes itself the same every time"],
  ],
  ["describes itself by another name", () => describing({ name: "other" }), ["goes by one kebab-case name"]],
  ["has a name with capitals", () => sound({ name: "SoundPolicy" }), ["goes by one kebab-case name"]],
  [
    "requires a word of its own",
    () => sound({ requires: ["reindex", "telepathy" as Requirement] }),
    ["requires only what backends know"],
  ],
  [
    "says recompute and reuses",
    () => describing({ shape: { ...shape, survivors: "recompute" } }),
    ["evicts what its shape says"],
  ],
  [
    "says another stride than it has",
    () => describing({ shape: { ...shape, stride: 3 } }),
    ["evicts what its shape says"],
  ],
  ["says half and evicts one cell", withStride("half", () => 1), ["evicts what its shape says"]],
  [
    "evicts elsewhere than its shape says when there are marks",
    () =>
      sound({
        plan: (view) => evictOldest(view, { first: view.marks.length > 0 ? SINKS + 1 : SINKS }),
      }),
    ["evicts what its shape says"],
  ],
  [
    "says that nothing leaves, and evicts",
    () => describing({ shape: { ...shape, stride: 0 } }),
    ["evicts what its shape says"],
  ],
  [
    "fixes a budget that its shape does not add up to",
    () =>
      sound({ budget: 12, describe: () => ({ name: "sound", shape: { ...shape, recent: 9 }, options: {} }) }),
    ["has the budget that its shape adds up to"],
  ],
];

function singles(start: number, end: number): CacheRange[] {
  return Array.from({ length: end - start }, (_, index) => ({
    start: start + index,
    end: start + index + 1,
  }));
}

function namesOfBroken(subject: PolicySubject): Promise<string[]> {
  return brokenLaws(policyLaws, subject).then((broken) => broken.map(({ law }) => law));
}

describe("the laws of a policy", () => {
  test("let a sound one pass, all of them", async () => {
    const subject: PolicySubject = { name: "sound", create: () => sound(), promises };
    expect(await namesOfBroken(subject)).toEqual([]);
    const tried = policyLaws.filter((law) => law.concerns(subject));
    const fixed: PolicySubject = {
      ...subject,
      create: () =>
        sound({
          budget: 12,
          describe: () => ({ name: "sound", shape: { ...shape, recent: 8 }, options: {} }),
        }),
    };
    expect(await namesOfBroken(fixed)).toEqual([]);
    expect(policyLaws.filter((law) => !law.concerns(fixed))).toEqual([]);
    expect(tried).toHaveLength(policyLaws.length - 1);
  });

  test.each([
    ["as many as it keeps", () => SINKS, []],
    [
      "a share of its budget, which is more than it keeps",
      (budget = 0) => budget >> 1,
      ["never evicts the first cells"],
    ],
  ])("hold a policy to the first cells that it describes: %s", async (_, first, laws) => {
    const create = (): KVCachePolicy =>
      sound({
        describe: (budget) => ({ name: "sound", shape: "opaque", first: first(budget), options: {} }),
      });
    const budgets = { minimum: 12, maximum: 40 };
    expect(await namesOfBroken({ name: "described", create, promises, budgets })).toEqual(laws);
  });

  test.each(mutants)("catch one that %s", async (_, create, laws) => {
    expect(await namesOfBroken({ name: "mutant", create, promises })).toEqual(
      expect.arrayContaining([...laws]),
    );
  });

  test.each<[string, () => KVCachePolicy]>([
    ["evicts half of what may leave", withStride("half", ({ length }) => (length - SINKS) >> 1)],
    [
      "takes its stride for all that may leave where it is more",
      withStride(100, ({ length }) => length - SINKS),
    ],
    ["says that there is no inner policy", () => describing({ shape: "opaque", inner: undefined })],
    [
      "keeps the beginning-of-sequence token, and says so",
      () =>
        sound({
          plan: (view) =>
            evictOldest(view, { first: Number(view.marks.some(({ name }) => name === BOS_MARK)) }),
          describe: () => ({ name: "sound", shape: { ...shape, first: "bos" }, options: {} }),
        }),
    ],
  ])("let one pass that %s", async (_, create) => {
    expect(await namesOfBroken({ name: "sound", create, promises: { pinned: true } })).toEqual([]);
  });

  test("let a policy of thousands of cells pass, each in little time", async () => {
    const create = (): KVCachePolicy =>
      sound({
        budget: 2048,
        describe: () => ({ name: "sound", shape: { ...shape, recent: 2044 }, options: {} }),
      });
    const subject: PolicySubject = { name: "large", create, promises };
    for (const law of policyLaws) {
      const start = performance.now();
      await law.check(subject);
      expect(performance.now() - start, law.name).toBeLessThan(1500);
    }
  });

  test("try a few dozen of many budgets, the ends among them", () => {
    const tried = budgetsOf({
      name: "many",
      create: () => sound(),
      budgets: { minimum: 1, maximum: 5000 },
    });
    expect(tried.length).toBeLessThanOrEqual(64);
    expect([tried[0], tried.at(-1)]).toEqual([7, 5000]);
    expect(new Set(tried).size).toBe(tried.length);
  });

  test("say which option names the budgets when none is accepted", async () => {
    const subject: PolicySubject = {
      name: "large",
      create: () => sound({ checkBudget: () => "it is too small" }),
    };
    const [broken] = await brokenLaws(policyLaws, subject);
    expect(broken!.message).toContain("the subject's option budgets says which to try");
  });

  test("are all broken, or fail, by a policy that cannot be made", async () => {
    const create = (): KVCachePolicy => {
      throw new TypeError("there are no weights");
    };
    const broken = await brokenLaws(policyLaws, { name: "unmade", create });
    expect(broken.map(({ law }) => law)).toEqual(policyLaws.map(({ name }) => name));
    for (const { message } of broken) expect(message).toContain("there are no weights");
  });

  test("are tried on the same cases with the same seed", async () => {
    const law = policyLaws.find(({ name }) => name === "names sorted, disjoint ranges of cells in use")!;
    const create = (): KVCachePolicy => changePlan((evict) => [...evict, ...evict.slice(-1)]);
    const failWith = (seed: number): Promise<string> =>
      law.check({ name: "mutant", create, seed }).then(() => "", String);
    expect(await failWith(42)).toContain("(seed 42, ");
    expect(await failWith(42)).toBe(await failWith(42));
  });

  test("print the seed that repeats a random case, and keep what was thrown", async () => {
    const law = policyLaws.find(({ name }) => name === "frees at least what is required, or answers null")!;
    const failure = new Error("not today");
    const create = (): KVCachePolicy =>
      sound({
        plan: () => {
          throw failure;
        },
      });
    await expect(law.check({ name: "mutant", create })).rejects.toMatchObject({
      law: law.name,
      message: expect.stringMatching(
        /plan\(\) threw: not today \(seed -?\d+, path "[\d:]+", case /,
      ) as string,
      cause: failure,
    });
  });

  test("catch something with every law", () => {
    const caught = new Set(mutants.flatMap(([, , laws]) => laws));
    expect(policyLaws.map(({ name }) => name).filter((name) => !caught.has(name))).toEqual([]);
  });
});
