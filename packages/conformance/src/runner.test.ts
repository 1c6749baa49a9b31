import { definePolicy } from "@kvpolicy/core";
import { describe, expect, expectTypeOf, test } from "vitest";

import { fakeSubject } from "../testing/fake-subject.js";
import { recordingRunner } from "../testing/recording-runner.js";
import {
  backendLaws,
  backendSuite,
  LawBroken,
  policyLaws,
  policySuite,
  type BackendSubject,
  type PolicySubject,
  type TestRunner,
} from "./index.js";

const fifo: PolicySubject = {
  name: "fifo",
  create: () =>
    definePolicy({
      name: "fifo",
      requires: ["reindex"],
      plan: ({ required }) => ({ evict: [{ start: 0, end: required }], survivors: "reuse" }),
    }),
};

describe("a suite", () => {
  test("registers every law once, under its group", () => {
    const { runner, tests } = recordingRunner();
    backendSuite(runner, fakeSubject);
    expect(tests.map(({ path }) => path)).toEqual(
      backendLaws.map(({ group, name }) => ["the fake backend: the laws of a backend", group, name]),
    );
    expect(new Set(backendLaws.map(({ name }) => name)).size).toBe(backendLaws.length);
    expect(new Set(policyLaws.map(({ name }) => name)).size).toBe(policyLaws.length);
  });

  test("runs anywhere: the tests are plain functions that throw", async () => {
    const { runner, tests } = recordingRunner();
    policySuite(runner, fifo);
    for (const { skipped, body } of tests) if (!skipped) await body();
    const { runner: other, tests: failing } = recordingRunner();
    policySuite(other, {
      ...fifo,
      create: () => definePolicy({ name: "Fifo!", plan: () => null }),
    });
    const kebab = failing.find(({ path }) => path.at(-1) === "goes by one kebab-case name")!;
    await expect(kebab.body()).rejects.toThrow(LawBroken);
  });

  test("prints the reason for skipping a law or its group", () => {
    const { runner, tests } = recordingRunner();
    policySuite(runner, {
      ...fifo,
      skip: { streams: "the stream is another project", "leaves the view as it is": "known" },
    });
    const skipped = tests.filter((one) => one.skipped).map(({ path }) => path.at(-1));
    expect(skipped).toContain("leaves the view as it is (skipped: known)");
    expect(skipped).toContain("streams (all 4 laws skipped: the stream is another project)");
    expect(skipped).toHaveLength(2);
  });

  test("says that a law lacks its oracle, and leaves out what a policy does not promise", () => {
    const { runner, tests } = recordingRunner();
    backendSuite(runner, { ...fakeSubject, oracle: undefined });
    expect(tests.filter((one) => one.skipped)).toHaveLength(
      backendLaws.filter(({ needs }) => needs.includes("oracle")).length,
    );
    expect(tests[0]!.path.at(-1)).toMatch(/ \(skipped: it takes an oracle\)$/);
    const promising = recordingRunner();
    policySuite(promising.runner, { ...fifo, promises: { pinned: true } });
    const silent = recordingRunner();
    policySuite(silent.runner, fifo);
    expect(promising.tests).toHaveLength(silent.tests.length + 1);
  });

  test.each<[string, Record<string, string>, RegExp]>([
    [
      "what is no law",
      { "reuses nothing": "because" },
      /"reuses nothing", which is neither a law nor a group nor what laws need/,
    ],
    ["without a reason", { streams: " " }, /no reason to skip "streams"/],
  ])("refuses to skip %s", (_, skip, message) => {
    const { runner, tests } = recordingRunner();
    expect(() => {
      policySuite(runner, { ...fifo, skip });
    }).toThrow(
      expect.objectContaining({ code: "config", message: expect.stringMatching(message) as string }) as Error,
    );
    expect(tests).toEqual([]);
  });

  test("skips what a capability is needed for at once", () => {
    const { runner, tests } = recordingRunner();
    backendSuite(runner, { ...fakeSubject, skip: { nll: "the engine shows no logits" } });
    const skipped = tests.filter((one) => one.skipped).map(({ path }) => path.at(-1));
    const needing = backendLaws.filter(({ needs }) => needs.includes("nll"));
    expect(skipped).toEqual(needing.map(({ name }) => `${name} (skipped: the engine shows no logits)`));
  });

  test("takes a policy that cannot be made: its tests fail and say so", async () => {
    const { runner, tests } = recordingRunner();
    const create = (): never => {
      throw new TypeError("there are no weights");
    };
    policySuite(runner, { name: "unmade", create });
    expect(tests).toHaveLength(policyLaws.length);
    for (const { body } of tests) await expect(body()).rejects.toThrow(/there are no weights/);
  });

  test.each<[string, Partial<BackendSubject>, string]>([
    ["no histories", { runs: 0 }, "runs"],
    ["no probes", { probes: 0 }, "probes"],
    ["a single probe", { probes: 1 }, "probes"],
    ["no tokens", { tokens: [] }, "tokens"],
    ["a single token", { tokens: [3, 3] }, "tokens"],
    ["a token that is none", { tokens: [1, -1] }, "each of tokens"],
    ["too few cells", { capacity: 16 }, "capacity"],
    ["a tolerance that is no number", { tolerance: { nll: NaN } }, "tolerance"],
    ["a seed that is no number", { seed: NaN }, "seed"],
  ])("refuses a backend with %s", async (_, options, option) => {
    const { runner, tests } = recordingRunner();
    const subject: BackendSubject = { ...fakeSubject, ...options };
    expect(() => {
      backendSuite(runner, subject);
    }).toThrow(refusal(option));
    expect(tests).toEqual([]);
    if (option !== "seed") await expect(backendLaws[0]!.check(subject)).rejects.toThrow(LawBroken);
  });

  test.each<[string, Partial<PolicySubject>, string]>([
    ["no first budget", { budgets: { minimum: 0, maximum: 4 } }, "budgets.minimum"],
    ["no last budget", { budgets: { minimum: 1, maximum: Infinity } }, "budgets.maximum"],
    ["reversed budgets", { budgets: { minimum: 9, maximum: 4 } }, "budgets"],
    ["a seed of more than 32 bits", { seed: 2 ** 40 }, "seed"],
  ])("refuses a policy with %s", (_, options, option) => {
    expect(() => {
      policySuite(recordingRunner().runner, { ...fifo, ...options });
    }).toThrow(refusal(option));
  });
});

function refusal(option: string): Error {
  return expect.objectContaining({
    code: "config",
    details: expect.objectContaining({ option }) as object,
  }) as Error;
}

describe("the type of a runner takes", () => {
  test("vitest's functions", () => {
    expectTypeOf<{ describe: typeof describe; test: typeof test }>().toExtend<TestRunner>();
  });

  test("those of node:test", () => {
    type Body<Context> = (context: Context, done: (result?: unknown) => void) => void | Promise<void>;
    interface Register<Context> {
      (name?: string, body?: Body<Context>): Promise<void>;
      (name?: string, options?: object, body?: Body<Context>): Promise<void>;
    }
    interface NodeTest extends Register<object> {
      skip: Register<object>;
    }
    expectTypeOf<{ describe: Register<{ name: string }>; test: NodeTest }>().toExtend<TestRunner>();
  });

  test("those of jest, whose bodies answer a promise or take a callback", () => {
    interface DoneCallback {
      (...values: unknown[]): unknown;
      fail(error?: string | { message: string }): unknown;
    }
    // Jest says `void | undefined`, which takes no function either that may answer a promise or nothing.
    type ProvidesCallback = ((done: DoneCallback) => undefined) | (() => PromiseLike<unknown>);
    interface JestTest {
      (name: string, body?: ProvidesCallback, timeout?: number): void;
      skip: JestTest;
    }
    type Describe = (name: number | string | { readonly name: string }, body: () => void) => void;
    expectTypeOf<{ describe: Describe; test: JestTest }>().toExtend<TestRunner>();
  });

  test("those of mocha, by the name of it", () => {
    interface Context {
      timeout(milliseconds: number): this;
    }
    type Func = (this: Context, done: (error?: unknown) => void) => void;
    type AsyncFunc = (this: Context) => PromiseLike<unknown>;
    type PendingTest = ((title: string, body?: Func) => Context) &
      ((title: string, body?: AsyncFunc) => Context);
    type MochaTest = PendingTest & { skip: PendingTest };
    type Describe = (title: string, body: (this: Context) => void) => Context;
    expectTypeOf<{ describe: Describe; test: MochaTest }>().toExtend<TestRunner>();
  });
});
