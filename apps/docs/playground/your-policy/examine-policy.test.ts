import { readFile } from "node:fs/promises";

import { policyLaws } from "@kvpolicy/conformance";
import { tinyModels } from "@kvpolicy/tiny-models";
import { beforeAll, describe, expect, test } from "vitest";

import { cutExcerpt } from "../model/moby-dick.js";
import type { ExaminationRequest, Finding, ModelReading, ModelText, Promises } from "./examination.js";
import { readingKey } from "./examination.js";
import { examinePolicy } from "./examine-policy.js";
import { textOfRuns } from "./kept-cells.js";
import { STARTING_POINTS } from "./starting-points.js";

const NOTHING: Promises = { endless: false, newest: false, pinned: false };

type Kind<Name extends Finding["kind"]> = Extract<Finding, { kind: Name }>;

/** Findings, to be asked for by kind. */
class Found {
  readonly all: Finding[] = [];

  of<Name extends Finding["kind"]>(kind: Name): Kind<Name>[] {
    return this.all.filter((finding): finding is Kind<Name> => finding.kind === kind);
  }

  /** Names of the laws that are in a state. */
  laws(state: string): string[] {
    return this.of("law")
      .filter(({ outcome }) => outcome.state === state)
      .map(({ index }) => policyLaws[index]?.name ?? "");
  }

  breach(name: string): string {
    const index = policyLaws.findIndex((law) => law.name === name);
    const outcome = this.of("law").find((finding) => finding.index === index)?.outcome;
    return outcome?.state === "broken" ? outcome.breach.problem : "";
  }
}

async function examine(request: Partial<ExaminationRequest>, modelText?: ModelText): Promise<Found> {
  const found = new Found();
  await examinePolicy(
    { source: "", promises: NOTHING, seed: 1, known: new Map(), ...request },
    (finding) => found.all.push(finding),
    () => Promise.resolve(modelText),
  );
  return found;
}

function startingPoint(name: string): string {
  return STARTING_POINTS.find((point) => point.name === name)?.source ?? "";
}

function policy(plan: string, more = ""): string {
  return `import { definePolicy } from "@kvpolicy/core";\nexport default definePolicy({ name: "mine", requires: ["reindex"],\n${more}plan: ${plan} });`;
}

describe("laws", () => {
  test.each([
    ["Sinks and a window", { ...NOTHING, endless: true }, 18],
    ["First in, first out", { ...NOTHING, endless: true }, 16],
    ["Rare tokens, by a score", { ...NOTHING, endless: true }, 17],
  ])("%s keeps those that apply", async (name, promises, holding) => {
    const found = await examine({ source: startingPoint(name), promises });
    expect(found.laws("broken")).toEqual([]);
    expect(found.laws("holds")).toHaveLength(holding);
    expect(found.laws("does not apply")).toHaveLength(policyLaws.length - holding);
    expect(found.all.at(-1)).toEqual({ kind: "done" });
  });

  test("a promise that is not ticked is tried where the policy makes it itself", async () => {
    const found = await examine({ source: startingPoint("Sinks and a window") });
    expect(found.laws("holds")).toContain("goes on for ever within its budget");
  });

  test("a hidden counter is found", async () => {
    const found = await examine({ source: startingPoint("One with a fault") });
    expect(found.laws("broken")).toEqual([
      "answers the same for the same view",
      "evicts in a long stream what a policy evicts that was never asked before",
    ]);
    expect(found.breach("answers the same for the same view")).toMatch(
      /^it answered reuse .* for the same view$/,
    );
  });

  test("a random case comes with its seed and the smallest case", async () => {
    const found = await examine({ source: startingPoint("One with a fault"), seed: 77 });
    const outcome = found.of("law")[0]?.outcome;
    expect(outcome).toMatchObject({
      breach: { seed: 77, counterexample: expect.stringContaining('"budget"') as string },
    });
  });

  test.each<[promise: keyof Promises, law: string, plan: string]>([
    ["endless", "goes on for ever within its budget", "() => null"],
    [
      "newest",
      "never evicts the newest token when a stream asks",
      '({ length, required }) => ({ evict: [{ start: length - required, end: length }], survivors: "reuse" })',
    ],
    [
      "pinned",
      "never evicts a pinned cell",
      '({ required }) => ({ evict: [{ start: 0, end: required }], survivors: "reuse" })',
    ],
  ])("a promise to be %s is tried only where it is made", async (promise, law, plan) => {
    const source = policy(plan);
    expect((await examine({ source })).laws("does not apply")).toContain(law);
    expect((await examine({ source, promises: { ...NOTHING, [promise]: true } })).laws("broken")).toContain(
      law,
    );
  });

  test("an exception is found with its line", async () => {
    const found = await examine({ source: policy("(view) => {\n  return view.nothing.there;\n}") });
    expect(found.of("law")[0]?.outcome).toMatchObject({
      state: "broken",
      breach: { problem: expect.stringContaining("plan() threw: Cannot read") as string, line: 4 },
    });
  });

  test("budgets are those that the policy accepts", async () => {
    const checkBudget = (condition: string): string =>
      `checkBudget: (budget) => (${condition} ? undefined : "no"),`;
    const plan = '({ required }) => ({ evict: [{ start: 0, end: required }], survivors: "reuse" })';
    const budgetsOf = async (more: string): Promise<string | undefined> =>
      (await examine({ source: policy(plan, more) })).of("policy")[0]?.budgets;
    expect(await budgetsOf("")).toBe("1 to 48");
    expect(await budgetsOf(checkBudget("budget > 100"))).toBe("101 to 148");
    expect(await budgetsOf("budget: 20,")).toBe("20");
    const none = await examine({ source: policy(plan, checkBudget("false")) });
    expect(none.all.at(-1)).toEqual({
      kind: "problem",
      problem: { message: '"mine" accepts no budget from 1 to 4096 cells.', line: undefined },
    });
  });
});

describe("the stream", () => {
  test("shows what three policies keep", async () => {
    const found = await examine({ source: startingPoint("First in, first out") });
    const [cells] = found.of("cells");
    expect(cells).toMatchObject({ budget: 32, tokens: 160 });
    expect(
      cells?.policies.map(({ policy: name, rows }) => [name, rows.length, textOfRuns(rows.at(-1) ?? [])]),
    ).toEqual([
      ["fifo", 160, "128–159"],
      ["sink-window", 160, "0–3, 132–159"],
      ["window", 160, "128–159"],
    ]);
    expect(found.of("fault")).toEqual([]);
  });

  test("of a large budget has no more rows than a picture can show, and says at each that it goes on", async () => {
    const found = await examine({
      source: policy(
        '({ required }) => ({ evict: [{ start: 0, end: required }], survivors: "reuse" })',
        "budget: 100,",
      ),
    });
    const [cells] = found.of("cells");
    expect(cells).toMatchObject({ budget: 100, tokens: 400 });
    expect(cells?.policies.map(({ rows }) => rows.length)).toEqual([134, 134, 134]);
    expect(textOfRuns(cells?.policies[0]?.rows.at(-1) ?? [])).toBe("300–399");
    const begun = found.of("begins").filter(({ part }) => part === "the stream");
    expect(begun).toHaveLength(3 * (1 + 133));
    expect(begun[0]?.what).toBe("a stream of 400 tokens was read with 100 cells");
  });

  test("says an invalid plan with its numbers", async () => {
    const found = await examine({
      source: policy('({ length }) => ({ evict: [{ start: 4, end: length + 1 }], survivors: "reuse" })'),
    });
    expect(found.of("fault")).toEqual([
      {
        kind: "fault",
        problem: {
          message:
            'With 32 cells in use and 1 to be freed, plan() answered {"evict":[{"start":4,"end":33}],"survivors":"reuse"}: [4, 33) lies outside the 32 cells in use.',
          line: undefined,
        },
      },
    ]);
    expect(found.of("cells")[0]?.policies[0]?.rows).toHaveLength(32);
    expect(found.laws("broken")).toContain("names sorted, disjoint ranges of cells in use");
  });

  test("says an exception with its line", async () => {
    const found = await examine({ source: policy("(view) => {\n  return view.nothing.there;\n}") });
    expect(found.of("fault")[0]?.problem).toEqual({
      message: expect.stringMatching(
        /^With 32 cells in use and 1 to be freed, plan\(\) threw: Cannot read/,
      ) as string,
      line: 4,
    });
  });

  test.each([
    ["undefined", "() => undefined", /answered undefined: a plan is an object or null\.$/],
    ["a function", "() => () => null", /answered a function: a plan is an object or null\.$/],
    ["an error of core", "() => { throw new Error('No.'); }", /plan\(\) threw: No\.$/],
  ])("says that it answered %s", async (_, plan, message) => {
    expect((await examine({ source: policy(plan) })).of("fault")[0]?.problem.message).toMatch(message);
  });

  test("is full, and no fault, where nothing may leave", async () => {
    const found = await examine({ source: policy("() => null") });
    expect(found.of("fault")).toEqual([]);
    expect(found.of("cells")[0]?.policies.map(({ isFull }) => isFull)).toEqual([true, false, false]);
  });

  test("cannot be opened with what no backend offers", async () => {
    const found = await examine({
      source:
        'import { definePolicy } from "@kvpolicy/core";\nexport default definePolicy({ name: "mine", requires: ["attention"], plan: () => null });',
    });
    expect(found.of("fault")[0]?.problem.message).toBe(
      'Policy "mine" requires "attention", which the backend lacks: no backend shows it to a policy yet.',
    );
    expect(found.of("cells")[0]?.policies[0]?.rows).toEqual([]);
  });
});

describe("the model", () => {
  let modelText: ModelText;
  beforeAll(async () => {
    modelText = {
      model: new Uint8Array(await readFile(tinyModels.sink.url)).buffer,
      text: cutExcerpt().slice(0, 900),
    };
  });

  test("reads the same tokens with every policy", async () => {
    const found = await examine({ source: startingPoint("Sinks and a window") }, modelText);
    const readings = found.of("read").map(({ reading }) => reading);
    expect(readings.map(({ policy: name }) => name)).toEqual([
      "my-sink-window",
      "sink-window",
      "window",
      "recompute",
    ]);
    const total = found.of("reading")[0]?.total ?? 0;
    expect(total).toBeGreaterThan(250);
    expect(readings.map(({ tokens }) => tokens)).toEqual(Array(4).fill(total - 63));
    const [yours, sinkWindow, window, recompute] = readings.map(({ perplexity }) => perplexity);
    expect(yours).toBeCloseTo(sinkWindow ?? 0, -1);
    expect(recompute).toBeCloseTo(sinkWindow ?? 0, -1);
    expect(window).toBeGreaterThan(2 * (sinkWindow ?? Infinity));
    expect(readings[3]?.evaluationsPerToken).toBeGreaterThan(3);
  });

  test("tells its progress at every step, and reads nothing again with a large budget", async () => {
    const plan = '({ length }) => ({ evict: [{ start: 0, end: 8 }], survivors: "reuse" })';
    const known = new Map(
      ["sink-window", "window"].map((name) => [
        readingKey(name, 513),
        { policy: name, tokens: 1, perplexity: 2, meanCells: 3, evaluationsPerToken: 4 },
      ]),
    );
    const large = await examine({ source: policy(plan, "budget: 513,"), known }, modelText);
    expect(large.of("read").map(({ reading }) => reading.policy)).toEqual(["mine", "sink-window", "window"]);
    const small = await examine({ source: policy(plan, "budget: 64,"), known }, modelText);
    const told = small
      .of("reading")
      .filter(({ policy: name }) => name === "mine")
      .map(({ read }) => read);
    const gaps = told.slice(1).map((read, index) => read - (told[index] ?? 0));
    expect(Math.max(...gaps)).toBe(32);
    expect(gaps.filter((gap) => gap <= 8).length).toBeGreaterThan(20);
  });

  test("does not read again what is known", async () => {
    const reading: ModelReading = {
      policy: "",
      tokens: 1,
      perplexity: 2,
      meanCells: 3,
      evaluationsPerToken: 4,
    };
    const known = new Map(
      ["sink-window", "window", "recompute"].map((name) => [
        readingKey(name, 64),
        { ...reading, policy: name },
      ]),
    );
    const found = await examine({ source: startingPoint("First in, first out"), known }, modelText);
    expect(new Set(found.of("reading").map(({ policy: name }) => name))).toEqual(new Set(["fifo"]));
    expect(
      found
        .of("read")
        .slice(1)
        .map((read) => read.reading),
    ).toEqual([...known.values()]);
  });

  test("says what a policy did wrong, and what was read before", async () => {
    const known = new Map(
      ["sink-window", "window", "recompute"].map((name) => [
        readingKey(name, 64),
        { policy: name, tokens: 1, perplexity: 2, meanCells: 3, evaluationsPerToken: 4 },
      ]),
    );
    const source = policy(
      '({ required, streamPosition, length }) => ({ evict: streamPosition(length - 1) < 200 ? [{ start: 0, end: required }] : [], survivors: "reuse" })',
    );
    const [yours] = (await examine({ source, known }, modelText)).of("read");
    expect(yours?.reading.failure).toMatch(/invalid plan: it frees 0 cells where 1 must be freed/);
    expect(yours?.reading.tokens).toBeGreaterThan(100);
    expect(yours?.reading.tokens).toBeLessThan(140);
  });
});
