import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { definePolicy, KVPolicyError, type EvictionPlan, type KVCachePolicy } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { pinned } from "@kvpolicy/pinned";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { turnAligned } from "@kvpolicy/turn-aligned";
import { window } from "@kvpolicy/window";
import {
  InputLookupTokenPredictor,
  type ContextShiftOptions,
  type Llama,
  type LlamaContext,
  type LlamaContextOptions,
  type LlamaContextSequence,
  type LlamaModel,
  type Token,
} from "node-llama-cpp";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import {
  CRASHING,
  FORGETFUL,
  makeModel,
  MOVABLE,
  SILENTLY_WRONG,
  UNKNOWN_FAULT,
  type ModelKind,
} from "../testing/model-kinds.js";
import { createTemporaryFolder, loadFloat32Model, loadLlama, sampleText } from "../testing/models.js";
import { contextShift } from "./context-shift.js";
import { openStream } from "./open-stream.js";

const CONTEXT = 256;
const BUDGET = CONTEXT - 1;
const EXACT = {
  contextSize: CONTEXT,
  threads: 1,
  flashAttention: false,
  experimentalKvCacheKeyType: "F32",
  experimentalKvCacheValueType: "F32",
} as const;

let llama: Llama;
let model: LlamaModel;
/** Without a beginning-of-sequence token. */
let tokens: Token[];
let folder: Awaited<ReturnType<typeof createTemporaryFolder>>;
const contexts: LlamaContext[] = [];
/** Of a test of its own. Llama.dispose() waits for ever for a model that was collected without being disposed. */
const models: LlamaModel[] = [];

beforeAll(async () => {
  folder = await createTemporaryFolder();
  llama = await loadLlama();
  model = await loadFloat32Model(llama, folder.path);
  tokens = model.tokenize(sampleText(600)).slice(0, 700);
  expect(tokens).toHaveLength(700);
});
afterEach(async () => {
  for (const context of contexts.splice(0)) await context.dispose();
  for (const loaded of models.splice(0)) await loaded.dispose();
});
afterAll(async () => {
  await llama.dispose();
  await folder.remove();
});

async function createContext(options: LlamaContextOptions = EXACT, of = model): Promise<LlamaContext> {
  const context = await of.createContext(options);
  contexts.push(context);
  return context;
}

interface NativeCalls {
  /** Tokens given to llama.cpp. */
  decoded: number;
  /** Removals and shifts as `remove(start, end)` and `shift(start, end, by)`. */
  readonly moves: string[];
  /** Times that all cells were dropped. */
  drops: number;
}

/** Notes what node-llama-cpp does to the cells of a context. */
function watch(context: LlamaContext): NativeCalls {
  const calls: NativeCalls = { decoded: 0, moves: [], drops: 0 };
  const notes: Record<string, (...values: never[]) => void> = {
    addToBatch: (_: number, __: number, batch: ArrayLike<number>) => (calls.decoded += batch.length),
    removeTokenCellsFromSequence: (_: number, start: number, end: number) =>
      calls.moves.push(`remove(${start}, ${end})`),
    shiftSequenceTokenCells: (_: number, start: number, end: number, by: number) =>
      calls.moves.push(`shift(${start}, ${end}, ${by})`),
    disposeSequence: () => (calls.drops += 1),
  };
  const internals = context as unknown as { _ctx: Record<string, (...values: never[]) => unknown> };
  // The addon's own members cannot be replaced, and want the addon itself for their `this`.
  internals._ctx = new Proxy(internals._ctx, {
    get: (addon, name) => {
      const member: unknown = Reflect.get(addon, name, addon);
      if (typeof name === "symbol" || typeof member !== "function") return member;
      return (...values: never[]): unknown => {
        notes[name]?.(...values);
        return Reflect.apply(member, addon, values);
      };
    },
  });
  return calls;
}

/** What becomes of each way to evaluate tokens, all of them. */
const WAYS: Readonly<
  Record<
    string,
    (sequence: LlamaContextSequence, input: Token[], shift?: ContextShiftOptions) => Promise<unknown>
  >
> = {
  evaluate: async (sequence, input, shift) => {
    const options = shift ? { contextShift: shift } : {};
    const generation = sequence.evaluate(input, { ...options, yieldEogToken: true });
    await generation.next();
    await generation.return();
  },
  evaluateWithoutGeneratingNewTokens: (sequence, input, shift) =>
    sequence.evaluateWithoutGeneratingNewTokens(input, shift ? { contextShift: shift } : {}),
  controlledEvaluate: (sequence, input, shift) =>
    sequence.controlledEvaluate(input, shift ? { contextShift: shift } : {}),
};
const ways = Object.entries(WAYS);

/** Negative log-likelihoods of all but the first token. */
async function scoresOf(sequence: LlamaContextSequence, input: Token[]): Promise<number[]> {
  const outputs = await sequence.controlledEvaluate(
    input.map((token) => [
      token,
      { generateNext: { probabilities: true, options: { temperature: 0, topK: 0, topP: 1 } } },
    ]),
  );
  return input
    .slice(1)
    .map((token, index) => -Math.log(outputs[index]?.next.probabilities?.get(token) ?? NaN));
}

async function failureOf(attempt: Promise<unknown>): Promise<unknown> {
  try {
    await attempt;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

function answering(plan: () => EvictionPlan | null): KVCachePolicy {
  return definePolicy({ name: "answering", requires: ["reindex"], plan });
}

describe("what becomes of the cells", () => {
  test.each(ways)("%s removes and shifts, and evaluates each token once", async (_, way) => {
    const context = await createContext();
    const calls = watch(context);
    const sequence = context.getSequence({ contextShift: contextShift(sinkWindow()) });
    await way(sequence, tokens);
    expect(calls).toMatchObject({ decoded: tokens.length, drops: 0 });
    expect(calls.moves.slice(0, 4)).toEqual([
      "remove(4, 20)",
      "shift(20, 255, -16)",
      "remove(4, 20)",
      "shift(20, 255, -16)",
    ]);
    await using stream = await openStream(model, { policy: sinkWindow(), budget: BUDGET, bos: false });
    await stream.append(tokens);
    expect(sequence.contextTokens).toEqual([...stream.cells().tokens]);
  });

  test.each(ways)("%s takes the options of one call, too", async (_, way) => {
    const context = await createContext();
    const calls = watch(context);
    await way(context.getSequence(), tokens, contextShift(sinkWindow({ sinks: 1, stride: 32 })));
    expect(calls).toMatchObject({ decoded: tokens.length, drops: 0 });
    expect(calls.moves.slice(0, 2)).toEqual(["remove(1, 33)", "shift(33, 255, -32)"]);
  });

  test("generation goes on for ever", async () => {
    const context = await createContext();
    const calls = watch(context);
    const sequence = context.getSequence({ contextShift: contextShift(sinkWindow()) });
    const generated: Token[] = [];
    for await (const token of sequence.evaluate(tokens.slice(0, 200), { yieldEogToken: true })) {
      generated.push(token);
      if (generated.length === 400) break;
    }
    // The token generated last is not evaluated.
    expect(calls).toMatchObject({ decoded: 200 + 399, drops: 0 });
    const all = [...tokens.slice(0, 200), ...generated.slice(0, -1)];
    const { contextTokens } = sequence;
    expect(contextTokens).toEqual([...all.slice(0, 4), ...all.slice(4 - contextTokens.length)]);
  });

  test("twenty contexts go through, one token at a time at the end", async () => {
    const context = await createContext();
    const calls = watch(context);
    const sequence = context.getSequence({ contextShift: contextShift(sinkWindow({ stride: 64 })) });
    const input = Array.from({ length: 20 * CONTEXT }, (_, index) => tokens[index % tokens.length]!);
    await sequence.evaluateWithoutGeneratingNewTokens(input.slice(0, -100));
    for (const token of input.slice(-100)) await sequence.evaluateWithoutGeneratingNewTokens([token]);
    expect(calls).toMatchObject({ decoded: input.length, drops: 0 });
    expect(calls.moves).toHaveLength(2 * Math.ceil((input.length - BUDGET) / 64));
    const { contextTokens } = sequence;
    expect(contextTokens.length).toBeLessThanOrEqual(BUDGET);
    expect(contextTokens).toEqual([...input.slice(0, 4), ...input.slice(4 - contextTokens.length)]);
  });

  test("several ranges leave at once", async () => {
    const context = await createContext();
    const calls = watch(context);
    const evict = [
      { start: 2, end: 5 },
      { start: 9, end: 10 },
    ];
    const sequence = context.getSequence({
      contextShift: contextShift(answering(() => ({ evict, survivors: "reuse" }))),
    });
    await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(0, BUDGET + 1));
    expect(calls.moves).toEqual(["remove(2, 5)", "remove(9, 10)", "shift(5, 9, -3)", "shift(10, 255, -4)"]);
    expect(calls.decoded).toBe(BUDGET + 1);
  });

  test("a policy may go by the tokens", async () => {
    const sequence = (await createContext()).getSequence();
    const seen: number[] = [];
    const reading = definePolicy({
      name: "reading",
      requires: ["reindex"],
      plan: ({ length, token }) => {
        if (length === BUDGET) for (let index = 0; index < length; index += 1) seen.push(token(index));
        return { evict: [{ start: 1, end: 9 }], survivors: "reuse" };
      },
    });
    // Once for the size, once for the ranges.
    const options = { contextShift: contextShift(reading) };
    await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(0, BUDGET + 1), options);
    expect(seen).toEqual([...tokens.slice(0, BUDGET), ...tokens.slice(0, BUDGET)]);
  });

  test("a size of the caller's own is freed at least", async () => {
    const context = await createContext();
    const calls = watch(context);
    const shift = { ...contextShift(sinkWindow()), size: 50 };
    await context
      .getSequence({ contextShift: shift })
      .evaluateWithoutGeneratingNewTokens(tokens.slice(0, 300));
    expect(calls.moves).toEqual(["remove(4, 54)", "shift(54, 255, -50)"]);
  });

  test("a loaded state may fill the cell that node-llama-cpp keeps free, and that one leaves, too", async () => {
    const path = join(folder.path, "state.bin");
    const larger = (await createContext({ ...EXACT, contextSize: 2 * CONTEXT })).getSequence();
    await larger.evaluateWithoutGeneratingNewTokens(tokens.slice(0, CONTEXT));
    await larger.saveStateToFile(path);

    const context = await createContext();
    const shift = contextShift(sinkWindow({ stride: 1 }));
    const sequence = context.getSequence({ contextShift: shift });
    await sequence.loadStateFromFile(path, { acceptRisk: true });
    expect(sequence.nextTokenIndex).toBe(CONTEXT);
    const calls = watch(context);
    await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(CONTEXT, CONTEXT + 1));
    expect(calls).toEqual({ decoded: 1, moves: ["remove(4, 6)", "shift(6, 256, -2)"], drops: 0 });
  });

  test("without it node-llama-cpp evaluates everything again where there is no beginning-of-sequence token", async () => {
    const context = await createContext();
    const calls = watch(context);
    await context.getSequence().evaluateWithoutGeneratingNewTokens(tokens);
    // 100 tokens leave at a time, and the 155 that stay are decoded again.
    expect(calls).toMatchObject({ decoded: tokens.length + 5 * 155, moves: [], drops: 5 });
  });
});

describe("what is predicted", () => {
  test.each([
    ["sinkWindow()", sinkWindow()],
    ["sinkWindow({ sinks: 1, stride: 1 })", sinkWindow({ sinks: 1, stride: 1 })],
    ['sinkWindow({ stride: "half" })', sinkWindow({ stride: "half" })],
  ])("is what a stream predicts under %s", async (_, policy) => {
    const context = await createContext();
    const input = [model.tokens.bos!, ...tokens.slice(0, 500)];
    const shifted = await scoresOf(context.getSequence({ contextShift: contextShift(policy) }), input);
    await using stream = await openStream(model, {
      policy,
      budget: BUDGET,
      bos: false,
      keyType: "F32",
      valueType: "F32",
      threads: 1,
    });
    const expected = await stream.score(input);
    const differences = shifted.map((score, index) => Math.abs(score - (expected[index + 1] ?? NaN)));
    expect(Math.max(...differences)).toBeLessThan(1e-4);
  });
});

describe("policies that are refused at once", () => {
  const reading = (read: (view: Parameters<KVCachePolicy["plan"]>[0]) => unknown): KVCachePolicy =>
    definePolicy({
      name: "reading",
      requires: ["reindex"],
      plan: (view) => {
        read(view);
        return { evict: [{ start: 1, end: 1 + view.required }], survivors: "reuse" };
      },
    });
  const requiring = (...requires: KVCachePolicy["requires"]): KVCachePolicy =>
    definePolicy({ name: "requiring", requires, plan: () => null });

  test.each<[string, KVCachePolicy, string, RegExp]>([
    ["evict from cell 0", window(), "cell 0", /evaluates everything again .* keep the first cell/],
    ["have no sink", sinkWindow({ sinks: 0 }), "cell 0", /cell 0 on/],
    [
      "evict from cell 0 without saying so",
      answering(() => ({ evict: [{ start: 0, end: 9 }], survivors: "reuse" })),
      "cell 0",
      /cell 0 on/,
    ],
    ["recompute", recompute(), "recompute", /recomputes the survivors/],
    [
      "recompute without saying so",
      answering(() => ({ evict: [{ start: 4, end: 9 }], survivors: "recompute" })),
      "recompute",
      /recomputes the survivors/,
    ],
    ["go by pins", pinned(sinkWindow()), "marks", /reads marks/],
    ["go by turns", turnAligned(sinkWindow()), "marks", /reads marks/],
    [
      "go by stream positions",
      reading((view) => view.streamPosition(3)),
      "stream positions",
      /stream positions/,
    ],
    ["require likelihoods", requiring("reindex", "nll"), "nll", /requires "nll"/],
    ["require attention", requiring("attention"), "attention", /requires "attention"/],
    ["require keys", requiring("keys"), "keys", /requires "keys"/],
  ])("those that %s", (_, policy, feature, message) => {
    let error: unknown;
    try {
      contextShift(policy);
    } catch (thrown) {
      error = thrown;
    }
    expect(KVPolicyError.isInstance(error, "unsupported")).toBe(true);
    expect(error).toMatchObject({
      message: expect.stringMatching(message) as string,
      details: { feature, policy: policy.name },
    });
  });

  test("what is no policy", () => {
    expect(() => contextShift(sinkWindow as never)).toThrow(
      expect.objectContaining({ code: "config" }) as Error,
    );
  });

  test("but not for what a plan makes of tokens that nobody has seen", () => {
    const byToken = definePolicy({
      name: "by-token",
      requires: ["reindex"],
      plan: ({ token }) => ({ evict: [{ start: token(0) === 0 ? 0 : 1, end: 4 }], survivors: "reuse" }),
    });
    expect(() => contextShift(byToken)).not.toThrow();
  });
});

describe("what is refused when room is needed", () => {
  const fromCell0 = definePolicy({
    name: "by-token",
    requires: ["reindex"],
    plan: ({ token }) => ({ evict: [{ start: token(0) === 0 ? 1 : 0, end: 4 }], survivors: "reuse" }),
  });
  const cases: [string, KVCachePolicy, object][] = [
    ["nothing that may leave", dense(), { code: "cache-full", details: { policy: "dense", budget: BUDGET } }],
    [
      "a plan that frees too little",
      answering(() => ({ evict: [], survivors: "reuse" })),
      { code: "invalid-plan", details: { problem: "it frees 0 cells where 1 must be freed" } },
    ],
    [
      "a plan out of bounds",
      answering(() => ({ evict: [{ start: 4, end: 2000 }], survivors: "reuse" })),
      { code: "invalid-plan", details: { length: BUDGET } },
    ],
    ["a plan from cell 0", fromCell0, { code: "unsupported", details: { feature: "cell 0" } }],
    [
      "a budget that is not the context's",
      sinkWindow({ sinks: 4, window: 252 }),
      {
        code: "config",
        message: expect.stringMatching(/add up to 256 cells, and .* keeps 255 in a context of 256/) as string,
      },
    ],
    [
      "options that leave no room in the context",
      sinkWindow({ sinks: 300 }),
      { code: "config", message: expect.stringMatching(/300 sinks leave no room/) as string },
    ],
  ];

  test.each(
    cases.flatMap(([what, policy, error]) =>
      ways.map(([name, way]) => [what, name, way, policy, error] as const),
    ),
  )("%s, by %s, and the sequence stays usable", async (_, __, way, policy, expected) => {
    const context = await createContext();
    const calls = watch(context);
    const sequence = context.getSequence({ contextShift: contextShift(policy) });
    const error = await failureOf(way(sequence, tokens.slice(0, BUDGET + 45)));
    expect(KVPolicyError.isInstance(error)).toBe(true);
    expect(error).toMatchObject(expected);
    expect(calls).toEqual({ decoded: BUDGET, moves: [], drops: 0 });
    expect(sequence.contextTokens).toEqual(tokens.slice(0, BUDGET));
    await way(sequence, tokens.slice(BUDGET, BUDGET + 45), contextShift(sinkWindow({ stride: 45 })));
    expect(sequence.contextTokens).toEqual([...tokens.slice(0, 4), ...tokens.slice(49, BUDGET + 45)]);
    expect(calls).toMatchObject({ decoded: BUDGET + 45, drops: 0 });
  });

  test("a token predictor", async () => {
    const sequence = (await createContext()).getSequence({
      contextShift: contextShift(sinkWindow()),
      tokenPredictor: new InputLookupTokenPredictor(),
    });
    expect(await failureOf(sequence.controlledEvaluate(tokens))).toMatchObject({
      code: "unsupported",
      details: { feature: "token predictor" },
    });
  });
});

describe("models whose keys are not moved", () => {
  const input = Array.from({ length: 300 }, (_, index) => (3 + ((index * 37) % 290)) as Token);

  async function open(
    { name, options, keyType }: ModelKind,
    policy: KVCachePolicy,
  ): Promise<LlamaContextSequence> {
    const modelPath = join(folder.path, `${name.replaceAll(/\W+/g, "-")}.gguf`);
    await writeFile(modelPath, makeModel({ name, options }));
    const loaded = await llama.loadModel({ modelPath });
    models.push(loaded);
    const context = await createContext(
      { ...EXACT, experimentalKvCacheKeyType: keyType ?? "F32", ignoreMemorySafetyChecks: true },
      loaded,
    );
    return context.getSequence({ contextShift: contextShift(policy) });
  }

  // Windows in all layers end the process at any shift that is not refused, as M-RoPE and quantised keys do.
  const refused = [...CRASHING, ...SILENTLY_WRONG.slice(0, 3), ...FORGETFUL];
  test.each(refused.map((kind) => [kind.name, kind] as const))("%s", async (_, kind) => {
    const sequence = await open(kind, sinkWindow());
    const error = await failureOf(sequence.evaluateWithoutGeneratingNewTokens(input));
    expect(KVPolicyError.isInstance(error, "unsupported")).toBe(true);
    expect(error).toMatchObject({ details: { feature: "reindex", policy: "sink-window" } });
    expect(sequence.nextTokenIndex).toBe(sequence.contextSize - 1);
  });

  test("of which node-llama-cpp takes checkpoints", async () => {
    const kind = MOVABLE.find(({ name }) => name.includes("sliding window that it ignores"))!;
    const sequence = await open(kind, sinkWindow());
    const error = await failureOf(sequence.evaluateWithoutGeneratingNewTokens(input));
    expect(error).toMatchObject({ code: "unsupported", details: { feature: "checkpoints" } });
  });

  test("keys of a type that nobody has tried", async () => {
    const context = await createContext({ ...EXACT, experimentalKvCacheKeyType: "Q5_0" });
    const sequence = context.getSequence({ contextShift: contextShift(sinkWindow()) });
    expect(await failureOf(sequence.evaluateWithoutGeneratingNewTokens(tokens))).toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/keys of type Q5_0/) as string,
    });
  });

  test("a fault that only the self-test of a stream finds, once it has", async () => {
    const sequence = await open({ ...UNKNOWN_FAULT, keyType: "F32" }, sinkWindow());
    await sequence.evaluateWithoutGeneratingNewTokens(input);
    const options = { policy: sinkWindow(), budget: 64, keyType: "F32", threads: 1 } as const;
    await expect(openStream(sequence.model, options)).rejects.toMatchObject({ code: "unsupported" });
    expect(await failureOf(sequence.evaluateWithoutGeneratingNewTokens(input))).toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/self-test/) as string,
    });
  });
});
