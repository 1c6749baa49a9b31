import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { predictionError, recordTrace } from "@kvpolicy/conformance";
import { createStream } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { loadModel, maskedForward } from "@kvpolicy/reference-backend";
import { randomModel } from "@kvpolicy/reference-backend/testing";
import { sinkWindow } from "@kvpolicy/sink-window";
import type { Llama, LlamaModel } from "node-llama-cpp";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";

import {
  CRASHING,
  FORGETFUL,
  makeModel,
  MODEL_KINDS,
  MOVABLE,
  SILENTLY_WRONG,
  UNKNOWN_FAULT,
  YARN,
  type ModelKind,
} from "../../testing/model-kinds.js";
import { createTemporaryFolder, loadLlama, tinyModelPath } from "../../testing/models.js";
import { inspectModel } from "./inspect-model.js";
import { NativeSequence } from "../native-sequence.js";
import { openBackend } from "../open-backend.js";
import { openStream, type LlamaStream, type OpenStreamOptions } from "../open-stream.js";
import { RECURRENT } from "./architectures.js";
import { runShiftSelfTest, type ShiftSelfTest } from "./shift-self-test.js";

let llama: Llama;
let folder: Awaited<ReturnType<typeof createTemporaryFolder>>;

beforeAll(async () => {
  llama = await loadLlama();
  folder = await createTemporaryFolder();
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(async () => {
  await llama.dispose();
  await folder.remove();
});

const BUDGET = 32;
const tokens = Array.from({ length: 3 * BUDGET }, (_, index) => 3 + ((index * 37) % 290));

async function save(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder.path, `${name.replaceAll(/\W+/g, "-")}.gguf`);
  await writeFile(path, bytes);
  return path;
}

async function withModel<Result>(
  { name, options }: Pick<ModelKind, "name" | "options">,
  use: (model: LlamaModel, path: string) => Promise<Result>,
  settings: object = {},
): Promise<Result> {
  const modelPath = await save(name, randomModel(options));
  const model = await llama.loadModel({ modelPath, ...settings });
  try {
    return await use(model, modelPath);
  } finally {
    await model.dispose();
  }
}

function open(model: LlamaModel, kind: ModelKind, options: OpenStreamOptions): Promise<LlamaStream> {
  return openStream(model, { threads: 1, budget: BUDGET, keyType: kind.keyType, ...options });
}

/** The self-test alone, past the metadata. */
async function testAlone(
  model: LlamaModel,
  { keyType = "F16" }: Pick<ModelKind, "keyType">,
  quantisedWeights = false,
): Promise<ShiftSelfTest> {
  const context = await model.createContext({
    contextSize: 64,
    threads: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: keyType,
  });
  try {
    return await runShiftSelfTest(new NativeSequence(context, context.getSequence()), {
      keyType,
      batch: context.batchSize,
      quantisedWeights,
      vocabularySize: 300,
      trainedLength: model.trainContextSize,
    });
  } finally {
    await context.dispose();
  }
}

describe("a kind whose keys cannot be moved is refused before a native call moves them, and recompute and dense work:", () => {
  test.each([...SILENTLY_WRONG, ...FORGETFUL, ...CRASHING].map((kind) => [kind.name, kind] as const))(
    "%s",
    async (_, kind) => {
      await withModel(kind, async (model, path) => {
        const shifts = [
          vi.spyOn(NativeSequence.prototype, "shift"),
          vi.spyOn(NativeSequence.prototype, "removeAndShift"),
        ];
        await expect(open(model, kind, { policy: sinkWindow() })).rejects.toMatchObject({
          code: "unsupported",
          details: { feature: "reindex" },
        });
        const backend = await openBackend(model, { capacity: 64, keyType: kind.keyType });
        await backend.decode(Uint32Array.from(tokens.slice(0, 40)));
        await expect(backend.evict([{ start: 4, end: 8 }])).rejects.toMatchObject({ code: "unsupported" });
        await backend.dispose();

        for (const answer of [await inspectModel(path, kind), await inspectModel(model, kind)]) {
          expect(answer.reuse.fidelity).toBe("unsupported");
          expect(answer.recompute.fidelity).toBe("exact");
          expect(answer.dense.fidelity).toBe("exact");
          expect(answer.selfTest).toBeNull();
          expect(answer.reuse.metadata).toMatchObject({ "general.architecture": answer.facts.architecture });
          expect(JSON.parse(JSON.stringify(answer))).toEqual(answer);
        }
        for (const shift of shifts) expect(shift).not.toHaveBeenCalled();

        for (const policy of [recompute(), dense()]) {
          await using stream = await open(model, kind, {
            policy,
            budget: policy.name === "dense" ? tokens.length + 1 : BUDGET,
          });
          const scores = await stream.score(tokens);
          expect(stream.stats.recomputedTokens > 0).toBe(policy.name === "recompute");
          expect(scores.filter((nll) => !Number.isFinite(nll))).toEqual(new Float64Array());
        }
      });
    },
  );
});

describe("without the gate llama.cpp ends the process when it moves keys, so that the rule is needed:", () => {
  const script = fileURLToPath(new URL("../../testing/move-keys.mjs", import.meta.url));

  function moveKeys(
    path: string,
    keyType: string,
  ): Promise<{ code: number | null; signal: string | null; output: string }> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [script, path, keyType], { stdio: ["ignore", "pipe", "ignore"] });
      let output = "";
      child.stdout.on("data", (data: Buffer) => (output += data.toString()));
      child.on("error", reject);
      child.on("close", (code, signal) => {
        resolve({ code, signal, output });
      });
    });
  }

  test.each(CRASHING.map((kind) => [kind.name, kind] as const))("%s", async (_, kind) => {
    const path = await save(`crash ${kind.name}`, makeModel(kind));
    const { signal, output } = await moveKeys(path, kind.keyType ?? "F16");
    expect(signal).toMatch(/^SIG(ABRT|SEGV)$/);
    expect(output).toBe("decoded\n");
  });

  test("and does not with a kind whose keys can be moved", async () => {
    const path = await save("no crash", makeModel(MOVABLE[0]!));
    expect(await moveKeys(path, "F16")).toEqual({ code: 0, signal: null, output: "decoded\nmoved\n" });
  });
});

describe("a kind whose keys can be moved opens, and the self-test passes:", () => {
  test.each(MOVABLE.map((kind) => [kind.name, kind] as const))("%s", async (_, kind) => {
    await withModel(kind, async (model, path) => {
      const file = await inspectModel(path, kind);
      const loaded = await inspectModel(model, kind);
      const isExact = kind.keyType === "F32" || kind.name.startsWith("mpt");
      expect(file.reuse.fidelity).toBe(isExact ? "exact" : "chunked");
      expect({ ...loaded, selfTest: null }).toEqual(file);
      if (kind.keyType === "Q4_0") expect(loaded.selfTest).toBeNull();
      else expect(loaded.selfTest).toMatchObject({ passed: true });
      if (kind.name.startsWith("mpt")) expect(loaded.selfTest?.error).toBe(0);

      await using stream = await open(model, kind, { policy: sinkWindow() });
      await stream.append(tokens);
      expect(stream.stats.evictions).toBeGreaterThan(5);
    });
  });
});

describe("the self-test alone, past the metadata, catches what goes silently wrong:", () => {
  test.each(SILENTLY_WRONG.map((kind) => [kind.name, kind] as const))("%s", async (_, kind) => {
    await withModel(kind, async (model) => {
      for (const keyType of ["F16", "F32"] as const) {
        const { passed, error, noise } = await testAlone(model, { keyType });
        expect(passed).toBe(false);
        // A correct move stays under 2e-3; the factor between them is what the threshold lives on.
        expect(Math.max(error, noise)).toBeGreaterThan(3e-2);
      }
    });
  });

  test.each([
    ["layers without rotation", SILENTLY_WRONG[0]!, "Q4_1"],
    ["learned positions", SILENTLY_WRONG[5]!, "Q8_0"],
    ["ALiBi, rotated", SILENTLY_WRONG[7]!, "Q8_0"],
  ] as const)("with quantised weights, too: %s", async (name, { options }, tensorType) => {
    await withModel({ name, options: { ...options, heads: 2, headSize: 32, tensorType } }, async (model) => {
      expect(await testAlone(model, {}, true)).toMatchObject({ passed: false });
    });
  });

  test("with quantised weights keys that each move scales are known by what is left after moving them back", async () => {
    await withModel({ name: "scaled", options: { ...YARN, tensorType: "Q4_1" } }, async (model) => {
      const { error, threshold, noise, largestNoise, passed } = await testAlone(model, {}, true);
      expect(error).toBeLessThan(threshold);
      expect(noise).toBeGreaterThan(largestNoise);
      expect(passed).toBe(false);
    });
  });

  test("and passes quantised weights whose rounding a move makes larger", async () => {
    const options = { architecture: "llama", layers: 12, tensorType: "Q4_1" } as const;
    await withModel({ name: "rounded", options }, async (model) => {
      const measured = await testAlone(model, {}, true);
      expect(measured.error).toBeGreaterThan(5e-3);
      expect(measured.passed).toBe(true);
    });
  });
});

describe("a stream is guarded by the self-test where the metadata say nothing", () => {
  const good = { name: "good", options: { architecture: "llama", layers: 3 } } as const;

  test("a failure refuses what moves keys and nothing else, and disposes the context", async () => {
    await withModel(UNKNOWN_FAULT, async (model, path) => {
      const disposals: unknown[] = [];
      const createContext = model.createContext.bind(model);
      vi.spyOn(model, "createContext").mockImplementation(async (options) => {
        const context = await createContext(options);
        context.onDispose.createListener(() => disposals.push(context));
        return context;
      });
      for (let attempt = 1; attempt <= 2; attempt += 1) {
        await expect(openStream(model, { policy: sinkWindow(), budget: BUDGET })).rejects.toMatchObject({
          code: "unsupported",
          message: expect.stringMatching(
            /mpt: moving its keys changes what it predicts by \d+ %.*stays below 0.5 % \(self-test\); plans that recompute the survivors still work/,
          ) as string,
          details: { feature: "reindex", policy: "sink-window" },
        });
        expect(disposals).toHaveLength(attempt);
      }
      expect((await inspectModel(path)).reuse.fidelity).toBe("exact");
      expect(await inspectModel(model)).toMatchObject({
        reuse: { fidelity: "unsupported", reason: expect.stringContaining("self-test") as string },
        recompute: { fidelity: "exact" },
        selfTest: { passed: false },
      });
      const backend = await openBackend(model, { capacity: BUDGET });
      expect(backend.capabilities.reindex).toMatch(/self-test/);
      await backend.dispose();
      await using stream = await openStream(model, { policy: recompute(), budget: BUDGET });
      await stream.append(tokens);
      await using trusting = await openStream(model, {
        policy: sinkWindow(),
        budget: BUDGET,
        selfTest: false,
      });
      await trusting.append(tokens);
    });
  });

  test("it runs once a model and type of keys, and only for a policy that moves keys", async () => {
    await withModel(good, async (model) => {
      const shift = vi.spyOn(NativeSequence.prototype, "shift");
      const openings = async (options: Partial<OpenStreamOptions>): Promise<number> => {
        const before = shift.mock.calls.length;
        await using stream = await openStream(model, { policy: sinkWindow(), budget: BUDGET, ...options });
        await stream.append(tokens);
        return shift.mock.calls.length - before;
      };
      expect(await openings({ policy: dense(), budget: 128 })).toBe(0);
      expect(await openings({ policy: recompute() })).toBe(0);
      expect(await openings({ selfTest: false })).toBe(0);
      expect(await openings({})).toBe(2);
      expect(await openings({})).toBe(0);
      expect(await openings({ keyType: "F32" })).toBe(2);
      expect(await Promise.all([openings({ keyType: "F32" }), openings({})])).toEqual([0, 0]);
    });
  });

  test("a failure of the engine is no result: it is reported, and tried again the next time", async () => {
    await withModel(good, async (model) => {
      const failure = new Error("Eval has failed");
      vi.spyOn(NativeSequence.prototype, "logits").mockRejectedValueOnce(failure);
      await expect(openStream(model, { policy: sinkWindow(), budget: BUDGET })).rejects.toMatchObject({
        code: "backend-failed",
        details: { operation: "selfTest" },
        cause: failure,
      });
      await using stream = await openStream(model, { policy: sinkWindow(), budget: BUDGET });
      await stream.append(tokens);
    });
  });

  test("it leaves the context as fresh: the scores are the same to the last bit", async () => {
    await withModel(good, async (model) => {
      const read = async (selfTest: boolean): Promise<Float64Array> => {
        await using stream = await openStream(model, {
          policy: sinkWindow(),
          budget: BUDGET,
          threads: 1,
          selfTest,
        });
        return await stream.score(tokens);
      };
      expect(await read(true)).toEqual(await read(false));
    });
  });

  test("a budget of one cell, decodes of one token, and a model trained on few positions, are tried too", async () => {
    await withModel(
      { name: "short", options: { architecture: "llama", contextLength: 16 } },
      async (model) => {
        const backend = await openBackend(model, { capacity: 1, batch: 1, threads: 1 });
        expect(backend.capabilities.reindex).toBe(true);
        await backend.dispose();
        expect(await inspectModel(model)).toMatchObject({ selfTest: { passed: true } });
      },
    );
  });
});

test("a sliding window that the architecture ignores changes nothing: exact against the oracle", async () => {
  const kind = MOVABLE.find(({ name }) => name.includes("Mistral"))!;
  await withModel({ ...kind }, async (model) => {
    const opened = await openBackend(model, {
      capacity: BUDGET,
      keyType: "F32",
      valueType: "F32",
      threads: 1,
    });
    expect(opened.capabilities).toMatchObject({ reindex: true, truncate: true });
    const { backend, trace } = recordTrace(opened);
    await using stream = createStream({
      backend,
      policy: sinkWindow({ sinks: 4, stride: 3 }),
      budget: BUDGET,
    });
    await stream.append(tokens);
    const actual = await Promise.all(Array.from({ length: 300 }, (_, token) => backend.nll(token)));
    const [expected] = maskedForward(await loadModel(makeModel(kind)), trace(), [tokens.length - 1]);
    expect(
      predictionError(
        actual.map((nll) => -nll),
        expected!,
      ),
    ).toBeLessThan(5e-4);
  });
});

test("YaRN's remedy is one: without it the model passes, and its answer says how far it holds", async () => {
  await withModel({ name: "yarn", options: YARN }, async (model, path) => {
    const { remedy } = (await inspectModel(path)).reuse;
    expect(remedy).toMatchObject({ largestBudget: 256 });
    expect(remedy?.text).toMatch(/metadataOverrides.*256 positions/);
    await model.dispose();
    const remedied = await llama.loadModel({
      modelPath: path,
      metadataOverrides: remedy!.metadataOverrides!,
    });
    expect(await inspectModel(remedied)).toMatchObject({
      reuse: { fidelity: "chunked" },
      selfTest: { passed: true },
    });
    await remedied.dispose();
  });
});

test("a model without a cache is refused whatever the policy", async () => {
  const options = { architecture: "llama", architectureName: "dream", biases: true } as const;
  await withModel({ name: "dream", options }, async (model, path) => {
    for (const policy of [dense(), recompute(), sinkWindow()]) {
      await expect(openStream(model, { policy, budget: BUDGET })).rejects.toMatchObject({
        code: "unsupported",
        details: { feature: "cache" },
      });
    }
    const { reuse, recompute: again, dense: all } = await inspectModel(path);
    expect([reuse, again, all].map(({ fidelity }) => fidelity)).toEqual(Array(3).fill("unsupported"));
  });
});

describe("inspectModel", () => {
  test("of the model in the box: facts, and the same from the file and the loaded model", async () => {
    const model = await llama.loadModel({ modelPath: tinyModelPath });
    const file = await inspectModel(tinyModelPath);
    expect(file.facts).toMatchObject({
      architecture: "llama",
      positions: "rotary",
      trainedLength: 256,
      slidingWindow: null,
    });
    expect(file.facts.bos).toBe(model.tokens.bos);
    expect(file.facts.prependsBos).toBe(model.tokens.shouldPrependBosToken);
    expect(await inspectModel(model)).toEqual({
      ...file,
      selfTest: expect.objectContaining({ passed: true }) as unknown,
    });
    await model.dispose();
    await expect(inspectModel(model)).rejects.toMatchObject({ code: "disposed" });
  });

  test("reads a file without loading it: what would be refused on a CPU may work on a GPU", async () => {
    const path = await save("bf16", randomModel({ architecture: "llama" }));
    expect((await inspectModel(path, { keyType: "BF16" })).reuse).toMatchObject({
      fidelity: "unsupported",
      remedy: { keyType: "F16" },
    });
    expect((await inspectModel(path, { keyType: "BF16", onCpu: false })).reuse.fidelity).toBe("chunked");
  });

  test("F32 keys are exact, and flash attention reads them rounded", async () => {
    const { reuse } = await inspectModel(tinyModelPath, { keyType: "F32" });
    expect(reuse.fidelity).toBe("exact");
    expect(reuse.reason).not.toContain("flash attention");
    const flash = await inspectModel(tinyModelPath, { keyType: "F32", flashAttention: true });
    expect(flash.reuse).toMatchObject({
      fidelity: "exact",
      reason: expect.stringContaining("rounded to F16") as string,
    });
  });

  test("says that a quantised block across heads works with no policy", async () => {
    const path = await save("heads of 16", randomModel({ architecture: "llama" }));
    const { reuse, recompute: again, dense: all } = await inspectModel(path, { keyType: "Q8_0" });
    for (const { fidelity, reason } of [reuse, again, all]) {
      expect(fidelity).toBe("unsupported");
      expect(reason).toMatch(/32 numbers in a block.*have 16/);
    }
  });

  test.each([
    ["missing.gguf", {}, /cannot be read/],
    [tinyModelPath, { keyType: "Q5" as never }, /keyType must be one of/],
  ])("refuses %s with %o", async (path, options, message) => {
    await expect(inspectModel(path, options)).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(message) as string,
    });
  });
});

describe("a larger model, named by KVPOLICY_MODEL", () => {
  test.for(["F32", "F16", "Q8_0"] as const)(
    "passes the self-test with %s keys",
    async (keyType, { skip }) => {
      const modelPath = process.env["KVPOLICY_MODEL"];
      if (modelPath === undefined) return skip("set KVPOLICY_MODEL to the path of a GGUF file to run it");
      const { reuse } = await inspectModel(modelPath, { keyType });
      if (reuse.fidelity === "unsupported") return skip(`the metadata say: ${reuse.reason}`);
      const model = await llama.loadModel({ modelPath });
      const { selfTest } = await inspectModel(model, { keyType });
      await model.dispose();
      expect(selfTest).toMatchObject({ passed: true });
    },
  );
});

test("the architectures that are known as recurrent are those of the engine", () => {
  const bindings = (llama as unknown as { _bindings: Record<string, (name: string) => boolean> })._bindings;
  const isRecurrent = (name: string): boolean =>
    bindings["getIsArchRecurrent"]!(name) || bindings["getIsArchHybrid"]!(name);
  expect([...RECURRENT].filter((name) => !isRecurrent(name))).toEqual([]);
  for (const { options } of MODEL_KINDS) {
    const name = options.architectureName ?? options.architecture;
    expect([name, RECURRENT.has(name)]).toEqual([name, isRecurrent(name)]);
  }
});
