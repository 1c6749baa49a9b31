import { KVPolicyError } from "@kvpolicy/core";
import type { FakeBackend } from "@kvpolicy/core/testing";
import { sinkWindow } from "@kvpolicy/sink-window";
import { describe, expect, it } from "vitest";

import type { OpenMeasuredOptions } from "../../measure/measured-model.js";
import { addResults, parseResults, type ExperimentResults } from "../../results/results-file.js";
import { studentInterval } from "../../statistics/student-interval.js";
import { FakeClock, fakeText } from "../../testing/fake-contender.js";
import { fakeModel } from "../../testing/fake-model.js";
import { fakeSurroundings } from "../../testing/fake-surroundings.js";
import { measureSinks, nameOf, probeSinks, type MeasureSinksOptions } from "./measure-sinks.js";

const BUDGET = 24;
const BOS = 99;
const LINE_BREAK = 10;

const OPTIONS: MeasureSinksOptions = {
  model: fakeModel(),
  surroundings: fakeSurroundings(),
  text: { name: "A book", sha256: "b".repeat(64), tokens: fakeText(150).map((token) => token + 100) },
  budget: BUDGET,
  stride: 2,
  create: (sinks) => sinkWindow({ sinks, stride: 2 }),
  seed: 5,
};

/** What was written comes back, and neither a number nor a field is lost on the way. */
function expectPlainData(results: ExperimentResults): void {
  expect(JSON.parse(JSON.stringify(results))).toEqual(results);
  const file = addResults(undefined, results);
  expect(parseResults(JSON.parse(JSON.stringify(file)))).toEqual(file);
}

describe("probeSinks", () => {
  it("reads with 0, 1, 2, 4 and 8 sinks, and compares with four", async () => {
    const asked: number[] = [];
    const results = await probeSinks({
      ...OPTIONS,
      create: (sinks, budget) => {
        expect(budget).toBe(BUDGET);
        asked.push(sinks);
        return sinkWindow({ sinks, stride: 2 });
      },
    });
    expect(asked).toEqual([0, 1, 2, 4, 8]);
    const { policies, settings, compared } = results.comparison;
    expect(
      policies.map(({ name, status, budget, ratio }) => [name, status, budget, ratio?.reference]),
    ).toEqual([
      ["0 sinks", "complete", BUDGET, "4 sinks"],
      ["1 sink", "complete", BUDGET, "4 sinks"],
      ["2 sinks", "complete", BUDGET, "4 sinks"],
      ["4 sinks", "complete", BUDGET, undefined],
      ["8 sinks", "complete", BUDGET, "4 sinks"],
    ]);
    expect(settings.seed).toBe(5);
    expect(compared).toEqual({ start: BUDGET, end: 150 });
    expect(results).toMatchObject({
      experiment: "probe",
      partial: false,
      settings: { budget: BUDGET, sinks: [0, 1, 2, 4, 8], seed: 5 },
      need: { most: 8 },
    });
    // The verdict and the table say the same.
    expect(Math.exp(results.need.withoutSinks!.nats)).toBeCloseTo(policies[0]!.ratio!.value, 10);
    expectPlainData(results);
  });

  it("sorts the numbers, and compares with the most where four is none of them", async () => {
    const results = await probeSinks({ ...OPTIONS, sinks: [6, 0, 2] });
    expect(results.settings.sinks).toEqual([0, 2, 6]);
    expect(results.need.most).toBe(6);
    expect(results.comparison.policies.map(({ ratio }) => ratio?.reference)).toEqual([
      "6 sinks",
      "6 sinks",
      undefined,
    ]);
  });

  it.each([[[]], [[4]], [[0, 4, 4]]])(
    "refuses %j as numbers of sinks before anything is opened",
    async (sinks) => {
      const model = fakeModel({ onOpen: () => expect.unreachable() });
      await expect(probeSinks({ ...OPTIONS, model, sinks })).rejects.toMatchObject({
        code: "config",
        details: { option: "sinks" },
      });
      await expect(measureSinks({ ...OPTIONS, model, sinks })).rejects.toMatchObject({ code: "config" });
    },
  );

  it("does not know on a text that does not fill the cache, nor when it is stopped at once", async () => {
    const short = { ...OPTIONS.text, tokens: OPTIONS.text.tokens.subarray(0, BUDGET) };
    const results = await probeSinks({ ...OPTIONS, text: short });
    expect(results).toMatchObject({
      partial: false,
      need: { need: "unknown", withoutSinks: null, enough: null },
    });
    expectPlainData(results);
    const stopped = await probeSinks({ ...OPTIONS, signal: AbortSignal.abort() });
    expect(stopped).toMatchObject({ partial: true, need: { need: "unknown" } });
    expectPlainData(stopped);
  });

  it("counts the time, and tells how far it is", async () => {
    const clock = new FakeClock();
    let last = { done: 0, total: 1, what: "" };
    const results = await probeSinks({
      ...OPTIONS,
      model: fakeModel({ clock }),
      clock: clock.tell,
      onProgress: (progress) => (last = progress),
    });
    expect(results.milliseconds).toBe(clock.now);
    expect(last).toEqual({ what: `budget ${BUDGET}, A book`, done: clock.now, total: clock.now });
  });
});

/** What a contender's stream was opened with, and the first tokens that it read. */
interface Opened {
  readonly backend: FakeBackend;
  readonly options: OpenMeasuredOptions;
}

function firstTokens({ backend }: Opened, count: number): number[] {
  return backend.calls.flatMap((call) => (call.method === "decode" ? call.tokens : [])).slice(0, count);
}

describe("measureSinks", () => {
  it("adds random tokens and line breaks in place of the first ones", async () => {
    const opened: Opened[] = [];
    const model = fakeModel({ onOpen: (backend, options) => opened.push({ backend, options }) });
    const results = await measureSinks({ ...OPTIONS, model });
    expect(results.comparison.policies.map(({ name, status }) => [name, status])).toEqual(
      [
        ...[0, 1, 2, 4, 8].map(nameOf),
        ...["random anchors 1", "random anchors 2", "random anchors 3"],
        ...["random recent tokens 1", "random recent tokens 2", "random recent tokens 3"],
        "line breaks",
      ].map((name) => [name, "complete"]),
    );
    const seeds = results.comparison.policies.map(({ description }) => description.options["seed"]);
    expect(seeds.filter((seed) => seed !== undefined)).toEqual([5, 6, 7, 5, 6, 7]);
    // All free as many cells at once, so that all see as many.
    expect(results.comparison.policies.map(({ stride }) => stride)).toEqual(Array(12).fill(2));
    expect(new Set(results.comparison.policies.map(({ meanCells }) => meanCells)).size).toBe(1);
    const text = [...OPTIONS.text.tokens.subarray(0, 6)];
    expect(firstTokens(opened[0]!, 6)).toEqual(text);
    expect(firstTokens(opened[11]!, 6)).toEqual([...Array<number>(4).fill(LINE_BREAK), ...text.slice(4)]);
    expect(results.settings).toEqual({ budget: BUDGET, sinks: [0, 1, 2, 4, 8], draws: 3, seed: 5 });
    expectPlainData(results);
  });

  it("has line breaks behind a beginning-of-sequence token, and in its place", async () => {
    const opened: Opened[] = [];
    const model = fakeModel({ bos: BOS, onOpen: (backend, options) => opened.push({ backend, options }) });
    const results = await measureSinks({ ...OPTIONS, model, draws: 1 });
    const names = results.comparison.policies.map(({ name }) => name);
    expect(names.slice(5)).toEqual([
      "random anchors 1",
      "random recent tokens 1",
      "line breaks behind BOS",
      "line breaks, BOS too",
    ]);
    expect(results.comparison.policies.every(({ status }) => status === "complete")).toBe(true);
    const text = [...OPTIONS.text.tokens.subarray(0, 6)];
    expect(firstTokens(opened[3]!, 5)).toEqual([BOS, ...text.slice(0, 4)]);
    // The first four tokens of the stream, and the fourth of the text at its place behind them.
    const breaks = Array<number>(3).fill(LINE_BREAK);
    expect(firstTokens(opened[7]!, 6)).toEqual([BOS, ...breaks, ...text.slice(3, 5)]);
    expect(firstTokens(opened[8]!, 6)).toEqual([LINE_BREAK, ...breaks, ...text.slice(3, 5)]);
  });

  it("does without line breaks where these are no token of their own", async () => {
    const model = { ...fakeModel(), encode: () => Uint32Array.of(1, 2) };
    const { comparison } = await measureSinks({ ...OPTIONS, model, draws: 0 });
    expect(comparison.policies.map(({ name }) => name)).toEqual([0, 1, 2, 4, 8].map(nameOf));
  });

  it("takes each draw for one value: their geometric mean, and Student's t over them", async () => {
    const { controls, comparison } = await measureSinks(OPTIONS);
    expect(controls.map(({ name, draws }) => [name, draws])).toEqual([
      ["random anchors", 3],
      ["random recent tokens", 3],
    ]);
    for (const { name, ratio, interval } of controls) {
      const values = comparison.policies
        .filter((policy) => policy.name.startsWith(name))
        .map((policy) => policy.ratio!.value);
      expect(new Set(values).size).toBe(3);
      expect(ratio).toBeCloseTo(Math.cbrt(values[0]! * values[1]! * values[2]!), 10);
      const expected = studentInterval(values.map(Math.log)).interval!;
      expect(Math.log(interval!.lower)).toBeCloseTo(expected.lower, 10);
      expect(Math.log(interval!.upper)).toBeCloseTo(expected.upper, 10);
    }
  });

  it("has no interval of one draw, and no control of none", async () => {
    const one = await measureSinks({ ...OPTIONS, draws: 1 });
    expect(one.controls.map(({ draws, interval }) => [draws, interval])).toEqual([
      [1, null],
      [1, null],
    ]);
    expectPlainData(one);
    const none = await measureSinks({ ...OPTIONS, draws: 0 });
    expect(none.controls).toEqual([]);
    expectPlainData(none);
  });

  it("draws the same with the same seed, and others with another", async () => {
    const drawn = async (seed: number): Promise<unknown> =>
      (await measureSinks({ ...OPTIONS, draws: 1, seed })).comparison.policies.find(
        ({ name }) => name === "random anchors 1",
      )?.description.options["positions"];
    expect(await drawn(5)).toBe(await drawn(5));
    expect(await drawn(5)).not.toBe(await drawn(6));
  });

  it("refuses a budget without room for the random tokens before anything is opened", async () => {
    const model = fakeModel({ onOpen: () => expect.unreachable() });
    await expect(measureSinks({ ...OPTIONS, model, budget: 11 })).rejects.toMatchObject({ code: "config" });
  });

  it("keeps what was measured when it is stopped, and leaves out a control that was never compared", async () => {
    const stop = new AbortController();
    let steps = 0;
    const results = await measureSinks({
      ...OPTIONS,
      signal: stop.signal,
      onProgress: () => {
        steps += 1;
        if (steps === 10) stop.abort();
      },
    });
    expect(results).toMatchObject({ partial: true, need: { need: "unknown" }, controls: [] });
    expectPlainData(results);
  });

  it("puts down why one control cannot be opened, and goes on with the others", async () => {
    const model = fakeModel({
      onOpen: (_, { policy }) => {
        if (policy.name !== "random-recent") return;
        throw new KVPolicyError({
          code: "unsupported",
          message: "Not here.",
          details: { feature: "reindex", reason: "none" },
        });
      },
    });
    const results = await measureSinks({ ...OPTIONS, model });
    expect(results.controls.map(({ name }) => name)).toEqual(["random anchors"]);
    expect(results.need.withoutSinks).not.toBeNull();
    expectPlainData(results);
  });
});
