import { KVPolicyError } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import { describe, expect, it } from "vitest";

import { renderTerminal } from "../../report/render-terminal.js";
import { addResults, parseResults } from "../../results/results-file.js";
import { FakeClock, fakeText } from "../../testing/fake-contender.js";
import { fakeModel } from "../../testing/fake-model.js";
import { fakeSurroundings } from "../../testing/fake-surroundings.js";
import type { ExperimentProgress } from "../experiment.js";
import type { PolicyChoice, ReadableText } from "../policy-choice.js";
import { describePerplexity } from "./describe-perplexity.js";
import { measurePerplexity, type MeasurePerplexityOptions } from "./measure-perplexity.js";
import type { PerplexityResults } from "./perplexity-results.js";

const WINDOW: PolicyChoice = { name: "window", create: () => window({ stride: 2 }) };
const SINKS: PolicyChoice = { name: "four sinks", create: () => sinkWindow({ stride: 2 }) };

function textOf(name: string, length: number, shift = 0): ReadableText {
  const tokens = fakeText(length).map((token) => (token * (shift + 1) + shift) % 100);
  return { name, sha256: String(shift).repeat(64), tokens };
}

const TEXTS = [textOf("one", 120), textOf("two", 90, 1)];

function measure(changes: Partial<MeasurePerplexityOptions> = {}): Promise<PerplexityResults> {
  return measurePerplexity({
    model: fakeModel(),
    surroundings: fakeSurroundings(),
    texts: TEXTS,
    policies: [WINDOW, SINKS],
    budgets: [16, 24],
    seed: 1,
    ...changes,
  });
}

/** What was written comes back, and neither a number nor a field is lost on the way. */
function expectPlainData(results: PerplexityResults): void {
  const written: unknown = JSON.parse(JSON.stringify(results));
  expect(written).toEqual(results);
  const file = addResults(undefined, results);
  expect(parseResults(JSON.parse(JSON.stringify(file)))).toEqual(file);
}

describe("measurePerplexity", () => {
  it("reads every text with every policy at every budget", async () => {
    const results = await measure();
    expect(results.partial).toBe(false);
    expect(results.settings).toEqual({
      budgets: [16, 24],
      texts: ["one", "two"],
      reference: "four sinks",
      seed: 1,
    });
    expect(
      results.comparisons.map(({ text, settings, policies }) => [
        text.name,
        text.tokens,
        settings.budget,
        policies.map(({ name, status, tokens, budget }) => [name, status, tokens, budget]),
      ]),
    ).toEqual(
      [16, 24].flatMap((budget) =>
        TEXTS.map(({ name, tokens: { length } }) => [
          name,
          length,
          budget,
          ["window", "four sinks"].map((policy) => [policy, "complete", length, budget]),
        ]),
      ),
    );
    // "Cache full" begins at the budget of each comparison.
    expect(results.comparisons.map(({ compared }) => compared)).toEqual([
      { start: 16, end: 120 },
      { start: 16, end: 90 },
      { start: 24, end: 120 },
      { start: 24, end: 90 },
    ]);
    expect(
      results.budgets.map(({ budget, policies }) => [budget, policies.map(({ texts }) => texts)]),
    ).toEqual([
      [16, [2, 2]],
      [24, [2, 2]],
    ]);
    expectPlainData(results);
  });

  it("pools the texts of a budget, and not those of another", async () => {
    const results = await measure();
    for (const { budget, policies } of results.budgets) {
      const rows = results.comparisons
        .filter(({ settings }) => settings.budget === budget)
        .map(({ policies: [first] }) => first!.perplexity.full);
      const sum = rows.reduce((total, { value, tokens }) => total + Math.log(value!) * tokens, 0);
      const tokens = rows.reduce((total, row) => total + row.tokens, 0);
      expect(policies[0]?.perplexity).toBeCloseTo(Math.exp(sum / tokens), 8);
    }
    expect(results.budgets[0]?.policies[0]?.perplexity).not.toBeCloseTo(
      results.budgets[1]?.policies[0]?.perplexity ?? 0,
      3,
    );
  });

  it("compares with sink-window unless told otherwise, else with the first", async () => {
    const referenceOf = async (changes: Partial<MeasurePerplexityOptions>): Promise<unknown> => {
      const { settings, comparisons } = await measure({ budgets: [16], ...changes });
      const ratios = comparisons[0]!.policies.map(({ ratio }) => ratio?.reference ?? null);
      return [settings.reference, ratios];
    };
    expect(await referenceOf({})).toEqual(["four sinks", ["four sinks", null]]);
    expect(await referenceOf({ reference: "window" })).toEqual(["window", [null, "window"]]);
    const other: PolicyChoice = { name: "wide", create: () => window({ stride: 8 }) };
    expect(await referenceOf({ policies: [other, WINDOW] })).toEqual(["wide", [null, "wide"]]);
  });

  it.each([
    [
      "a reference that is none of them",
      { reference: "none" },
      /"none" is none of the policies/,
      "reference",
    ],
    ["no texts", { texts: [] }, /no texts/, "texts"],
    ["no policies", { policies: [] }, /no policies/, "policies"],
    ["no budgets", { budgets: [] }, /no budgets/, "budgets"],
    ["a budget twice", { budgets: [16, 24, 16] }, /16/, "budgets"],
    ["a text twice", { texts: [TEXTS[0]!, { ...TEXTS[0]!, name: "a copy" }] }, /"a copy"/, "texts"],
  ])("refuses %s before anything is opened", async (_, changes, message, option) => {
    let opened = 0;
    const model = fakeModel({ onOpen: () => (opened += 1) });
    await expect(measure({ ...changes, model })).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(message) as string,
      details: { option },
    });
    expect(opened).toBe(0);
  });

  it("refuses a text without tokens before it reads another", async () => {
    let opened = 0;
    const model = fakeModel({ onOpen: () => (opened += 1) });
    const texts = [TEXTS[0]!, textOf("empty", 0, 3)];
    await expect(measure({ model, texts })).rejects.toMatchObject({ code: "empty" });
    expect(opened).toBe(0);
  });

  it("keeps what was measured when it is stopped midway", async () => {
    const stop = new AbortController();
    const results = await measure({
      signal: stop.signal,
      onProgress: ({ done }) => {
        if (done > 1.5) stop.abort();
      },
    });
    expect(results.partial).toBe(true);
    expect(results.comparisons.map(({ partial, text }) => [partial, text.name])).toEqual([
      [false, "one"],
      [true, "two"],
    ]);
    const [, second] = results.comparisons;
    expect(second!.policies[0]!.tokens).toBeGreaterThan(0);
    expect(second!.policies[0]!.tokens).toBeLessThan(90);
    expect(results.budgets.map(({ policies }) => policies.length)).toEqual([2, 0]);
    expectPlainData(results);
    expect(describePerplexity(results).notes).toContain(
      "Partial: the run was stopped. Every figure is over what had been read.",
    );
  });

  it("answers without a comparison when it is stopped before it begins", async () => {
    const results = await measure({ signal: AbortSignal.abort() });
    expect(results).toMatchObject({ partial: true, comparisons: [] });
    expectPlainData(results);
    expect(renderTerminal(results)).toContain("Partial");
  });

  it("disposes every stream, when it is stopped, too", async () => {
    const disposed: (() => boolean)[] = [];
    const stop = new AbortController();
    await measure({
      model: fakeModel({
        onOpen: ({ calls }) => disposed.push(() => calls.some(({ method }) => method === "dispose")),
      }),
      signal: stop.signal,
      onProgress: ({ done }) => {
        if (done > 2.5) stop.abort();
      },
    });
    expect(disposed.map((isDisposed) => isDisposed())).toEqual([true, true, true, true, true, true]);
  });

  it("puts down why a policy cannot be opened, and goes on with the others", async () => {
    const model = fakeModel({
      onOpen: (_, { policy }) => {
        if (policy.name !== "window") return;
        throw new KVPolicyError({
          code: "unsupported",
          message: "No rotation here.",
          details: { feature: "reindex", reason: "none" },
        });
      },
    });
    const results = await measure({ model });
    for (const { policies } of results.comparisons) {
      expect(policies.map(({ status, error }) => [status, error?.message])).toEqual([
        ["failed", "No rotation here."],
        ["complete", undefined],
      ]);
    }
    expect(results.budgets[0]!.policies).toMatchObject([
      { name: "window", texts: 0, perplexity: null, ratio: null },
      { name: "four sinks", texts: 2 },
    ]);
    expectPlainData(results);
    const { notes, verdicts, charts } = describePerplexity(results);
    expect(notes.filter((note) => note.includes("No rotation here."))).toHaveLength(2);
    expect(verdicts).toEqual([]);
    expect(charts[0]!.series.find(({ name }) => name === "window")!.points).toEqual([]);
  });

  it("passes on an error that is no policy's", async () => {
    const model = fakeModel({
      onOpen: () => {
        throw new TypeError("a bug");
      },
    });
    await expect(measure({ model })).rejects.toThrow(TypeError);
  });

  it("gives a policy cells of its own where it asks for them", async () => {
    const results = await measure({
      budgets: [16],
      texts: [TEXTS[0]!],
      policies: [{ name: "dense", create: () => dense(), cells: 130 }, SINKS],
    });
    expect(results.comparisons[0]!.policies.map(({ status, budget }) => [status, budget])).toEqual([
      ["complete", 130],
      ["complete", 16],
    ]);
  });

  it("counts time from the first reading to the last, and progress up to all of it", async () => {
    const clock = new FakeClock();
    const seen: ExperimentProgress[] = [];
    const results = await measure({
      model: fakeModel({ clock }),
      clock: clock.tell,
      onProgress: (progress) => seen.push(progress),
    });
    expect(results.milliseconds).toBe(clock.now);
    expect(clock.now).toBeGreaterThan(2 * 2 * 210);
    expect(seen.every(({ done, total }) => Number.isFinite(done) && done <= total)).toBe(true);
    // Within a reading the pace is guessed anew at each step; from one to the next it never goes back.
    const readings = seen.map(({ done }) => Math.ceil(done) - 1);
    expect(readings).toEqual([...readings].sort((one, other) => one - other));
    expect(seen.at(-1)).toEqual({ what: "budget 24, two", done: 4, total: 4 });
    expect(new Set(seen.map(({ what }) => what))).toEqual(
      new Set(["budget 16, one", "budget 16, two", "budget 24, one", "budget 24, two"]),
    );
  });

  it("knows how far it is on a clock that stands still", async () => {
    const seen: ExperimentProgress[] = [];
    await measure({ clock: () => 0, onProgress: (progress) => seen.push(progress) });
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.every(({ done }) => Number.isFinite(done))).toBe(true);
  });
});
