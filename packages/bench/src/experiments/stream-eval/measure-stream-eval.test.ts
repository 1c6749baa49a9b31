import { definePolicy, KVPolicyError } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import { describe, expect, it } from "vitest";

import { fakeModel } from "../../testing/fake-model.js";
import { fakeSurroundings } from "../../testing/fake-surroundings.js";
import type { ExperimentProgress } from "../experiment.js";
import { describeStreamEval } from "./describe-stream-eval.js";
import { measureStreamEval, type StreamEvalOptions } from "./measure-stream-eval.js";
import { streamEvalResultsSchema, type StreamEvalResults } from "./stream-eval-results.js";

function measure(options: Partial<StreamEvalOptions> = {}): Promise<StreamEvalResults> {
  return measureStreamEval({
    model: fakeModel(),
    surroundings: fakeSurroundings(),
    policies: [
      { name: "window", create: () => window({ stride: 3 }) },
      { name: "sink-window", create: () => sinkWindow({ stride: 3 }) },
    ],
    budget: 150,
    digits: 2,
    distances: [1, 5],
    every: 3,
    lines: 30,
    seed: 1,
    ...options,
  });
}

describe("measureStreamEval", () => {
  it("answers plain data", async () => {
    const results = await measure();
    expect(streamEvalResultsSchema.parse(JSON.parse(JSON.stringify(results)))).toEqual(results);
    expect(results).toMatchObject({ experiment: "stream-eval", partial: false, record: { lines: 30 } });
    expect(results.settings).toMatchObject({ margins: results.record.queries.length, accuracy: true });
    for (const policy of results.policies) {
      expect(policy).toMatchObject({ status: "complete", budget: 150, tokens: results.record.tokens });
      expect(policy.answers).toHaveLength(results.record.queries.length);
      const { inside, outside, partial } = policy;
      expect(inside.queries * outside.queries).toBeGreaterThan(0);
      expect(inside.queries + outside.queries + partial.queries).toBe(policy.answers.length);
    }
  });

  it("tells stream positions behind a token that opens the stream", async () => {
    const without = await measure();
    const withBos = await measure({ model: fakeModel({ bos: 1 }) });
    expect(withBos.record.queries.map(({ position }) => position - 1)).toEqual(
      without.record.queries.map(({ position }) => position),
    );
    const policies = [{ name: "dense", create: () => dense(), cells: 1e6 }];
    const [row] = (await measure({ model: fakeModel({ bos: 1 }), policies })).policies;
    expect(row).toMatchObject({ budget: withBos.record.tokens + 1, status: "complete", evictions: 0 });
    expect(row?.inside.queries).toBe(row?.answers.length);
  });

  it("gives margins to as many queries as asked for, shared out over the distances", async () => {
    const results = await measure({ margins: 4 });
    const [row] = results.policies;
    const having = row!.answers.flatMap(({ query, margin }) => (margin === null ? [] : [query]));
    expect(results.settings.margins).toBe(4);
    const distances = having.map((query) => results.record.queries[query]!.distance);
    expect(distances.sort((one, other) => one - other)).toEqual([1, 1, 5, 5]);
    const none = await measure({ margins: 0, accuracy: false });
    expect(
      none.policies[0]!.answers.every(({ margin, tokensRight }) => margin === null && tokensRight === null),
    ).toBe(true);
    expect(none.policies[0]!.recall).toBeNull();
  });

  it("chooses a distance inside of the cache and one outside", async () => {
    const results = await measure({ distances: undefined, lines: undefined, budget: 150 });
    expect(results.record.tokens).toBeGreaterThanOrEqual(20 * 150);
    const [near, far] = results.policies[0]!.distances;
    expect(near!.inside).toBe(near!.queries);
    expect(far!.outside).toBe(far!.queries);
    const chosen = async (budget: number): Promise<readonly number[]> => {
      const policies = [{ name: "window", create: () => window({ stride: 1 }) }];
      const cheap = {
        policies,
        budget,
        distances: undefined,
        lines: undefined,
        tokens: 1,
        margins: 0,
        accuracy: false,
      };
      return (await measure(cheap)).settings.distances;
    };
    // A line and its share of a query have some 56 characters.
    expect(await chosen(1000)).toEqual([7, 39]);
    expect(await chosen(1)).toEqual([1, 2]);
  });

  it("tells how far it is, up to all of it", async () => {
    const told: ExperimentProgress[] = [];
    const { policies, record } = await measure({ onProgress: (progress) => told.push(progress) });
    const total = policies.reduce((sum, { forkTokens }) => sum + forkTokens + record.tokens, 0);
    expect(told.at(-1)).toEqual({ what: "sink-window", done: total, total });
    for (const [index, { done }] of told.entries())
      expect(done).toBeGreaterThanOrEqual(told[index - 1]?.done ?? 0);
  });

  it("goes on with the others when one fails", async () => {
    const results = await measure({
      policies: [
        { name: "dense", create: () => dense(), cells: 400 },
        {
          name: "greedy",
          create: () => definePolicy({ name: "greedy", requires: ["attention"], plan: () => null }),
        },
        { name: "window", create: () => window() },
      ],
    });
    expect(results.policies.map(({ status, error }) => [status, error?.code])).toEqual([
      ["failed", "cache-full"],
      ["failed", "unsupported"],
      ["complete", undefined],
    ]);
    expect(results.partial).toBe(false);
    expect(describeStreamEval(results).notes.join("\n")).toContain(
      "dense stopped after 400 tokens (cache-full)",
    );
  });

  it("has the error of a policy that cannot be made in its row", async () => {
    const refusal = new KVPolicyError({
      code: "config",
      message: "No room.",
      details: { option: "budget", value: 150 },
    });
    const refuse = (): never => {
      throw refusal;
    };
    const results = await measure({
      policies: [
        { name: "unmade", create: refuse },
        {
          name: "unchecked",
          create: () => definePolicy({ name: "unchecked", checkBudget: refuse, plan: () => null }),
        },
        { name: "window", create: () => window() },
      ],
    });
    expect(streamEvalResultsSchema.parse(results)).toEqual(results);
    const error = { code: "config", message: "No room." };
    expect(results.policies.map((policy) => [policy.status, policy.error, policy.tokens])).toEqual([
      ["failed", error, 0],
      ["failed", error, 0],
      ["complete", null, results.record.tokens],
    ]);
    expect(results.partial).toBe(false);
    expect(results.policies[0]!.description).toEqual({ name: "unmade", shape: "opaque", options: {} });
    expect(describeStreamEval(results).notes).toContain("unmade stopped after 0 tokens (config): No room.");
    const fault = new TypeError("a fault");
    const faulty = (): never => {
      throw fault;
    };
    await expect(measure({ policies: [{ name: "faulty", create: faulty }] })).rejects.toBe(fault);
  });

  it("keeps what was measured when it is stopped", async () => {
    const controller = new AbortController();
    const results = await measure({
      signal: controller.signal,
      onProgress: ({ done, total }) => {
        if (done > 0.3 * total) controller.abort();
      },
    });
    expect(results.partial).toBe(true);
    expect(results.policies.map(({ status }) => status)).toEqual(["partial", "partial"]);
    expect(results.policies[0]!.answers.length).toBeGreaterThan(2);
    expect(results.policies[1]!.answers).toEqual([]);
    expect(streamEvalResultsSchema.parse(results)).toEqual(results);
    expect(describeStreamEval(results).verdicts).toHaveLength(1);
  });

  it.each<[string, Partial<StreamEvalOptions>, string]>([
    ["budget", { budget: 0 }, "budget must be a whole number of at least 1, not 0"],
    ["digits", { digits: 10 }, "digits must be at most 9"],
    ["digits", { digits: 0 }, "digits must be a whole number of at least 1"],
    ["distances", { distances: [] }, "there must be a distance"],
    ["distances", { distances: [2, 2] }, "no distance may come twice, as in 2,2"],
    ["distances", { distances: [0] }, "distances must be a whole number of at least 1"],
    ["every", { every: 0 }, "every must be a whole number of at least 1"],
    ["tokens", { tokens: 0 }, "tokens must be a whole number of at least 1"],
    ["margins", { margins: -1 }, "margins must be a whole number of at least 0"],
    ["lines", { lines: 3 }, "3 lines are too few"],
    ["policies", { policies: [] }, "there must be a policy"],
    [
      "policies",
      { policies: [1, 2].map(() => ({ name: "one", create: () => window() })) },
      "two policies have the same name",
    ],
  ])("refuses what cannot work before it opens anything: %s %#", async (option, options, message) => {
    const opened: unknown[] = [];
    const model = fakeModel({ onOpen: (backend) => opened.push(backend) });
    const error: unknown = await measure({ model, ...options }).catch((reason: unknown) => reason);
    expect(KVPolicyError.isInstance(error, "config")).toBe(true);
    expect(error).toMatchObject({ details: { option }, message: expect.stringContaining(message) as string });
    expect(opened).toEqual([]);
  });
});
