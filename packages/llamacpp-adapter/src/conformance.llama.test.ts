import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import {
  backendLaws,
  backendSuite,
  brokenLaws,
  predictionError,
  recordTrace,
  type BackendSubject,
  type BackendWish,
  type LawBroken,
  type Oracle,
} from "@kvpolicy/conformance";
import { createStream, type KVCacheBackend } from "@kvpolicy/core";
import { loadModel, maskedForward, receptiveField } from "@kvpolicy/reference-backend";
import {
  float32,
  randomModel,
  uint32,
  type GgufValue,
  type RandomModelOptions,
} from "@kvpolicy/reference-backend/testing";
import { sinkWindow } from "@kvpolicy/sink-window";
import type { Llama, LlamaModel } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { createTemporaryFolder, loadLlama } from "../testing/models.js";
import { LlamaBackend } from "./llama-backend.js";
import { NativeSequence } from "./native-sequence.js";
import { describeCapabilities, openBackend } from "./open-backend.js";
import type { CacheType } from "./cache-types.js";
import type { LlamaSampling } from "./sampling.js";

let llama: Llama;
const models: LlamaModel[] = [];
let folder: Awaited<ReturnType<typeof createTemporaryFolder>>;

beforeAll(async () => {
  llama = await loadLlama();
  folder = await createTemporaryFolder();
});

afterAll(async () => {
  // Disposing llama.cpp with two dozen models loaded never ends in node-llama-cpp 3.22.1; one by one they do.
  for (const model of models) await model.dispose();
  await llama.dispose();
  await folder.remove();
});

const cases: readonly (RandomModelOptions & { readonly name: string })[] = [
  { name: "llama, heads that share keys", architecture: "llama", heads: 4, keyValueHeads: 2, layers: 3 },
  { name: "llama, scaled frequencies", architecture: "llama", headSize: 8, ropeFactors: [1, 1, 4, 8] },
  { name: "gptneox, a part of each head rotated", architecture: "gptneox", rotated: 8 },
  { name: "gptneox, one after the other", architecture: "gptneox", parallelResidual: false },
  { name: "falcon", architecture: "falcon" },
  { name: "mpt, heads that are no power of two, biases", architecture: "mpt", heads: 6, biases: true },
  { name: "mimo2, sink logits of 0", architecture: "mimo2", attentionSinks: 0 },
  { name: "mimo2, random sink logits", architecture: "mimo2", attentionSinks: "random", layers: 3 },
];

for (const { name, ...options } of cases) backendSuite({ describe, test }, subjectOf(name, options, "F32"));

// What users get unless they ask for more: F16 keys, which every move rounds.
backendSuite(
  { describe, test },
  {
    ...subjectOf("llama, F16 keys and values", { architecture: "llama" }, "F16"),
    tolerance: { logits: 5e-3, nll: 2e-2 },
  },
);

describe("the laws catch a fault in llama.cpp's own cache:", () => {
  class RemovesBesideTheRange extends NativeSequence {
    override removeAndShift(start: number, end: number, length: number): void {
      const offset = end < length ? 1 : 0;
      super.removeAndShift(start + offset, end + offset, length);
    }
  }

  class ForgetsToShift extends NativeSequence {
    override removeAndShift(start: number, end: number): void {
      super.removeAndShift(start, end, end);
    }
  }

  const law = "closes every gap when several ranges leave";
  const laws = backendLaws.filter(({ name }) => name === law);
  const brokenBy = (Sequence: typeof NativeSequence): Promise<LawBroken[]> =>
    brokenLaws(laws, subjectOf("mutant", { architecture: "llama" }, "F32", Sequence) as BackendSubject);

  test("none is broken without a fault", async () => {
    expect(await brokenBy(NativeSequence)).toEqual([]);
  });

  test("cells beside the range leave", async () => {
    const [broken] = await brokenBy(RemovesBesideTheRange);
    expect(broken?.measured).toBeGreaterThan(20 * (broken?.tolerance ?? NaN));
  });

  test("survivors keep their positions, which llama.cpp itself refuses at the next decode", async () => {
    const [broken] = await brokenBy(ForgetsToShift);
    expect(broken?.message).toMatch(/Eval has failed/);
  });
});

describe("the oracle reads a setting as llama.cpp does:", () => {
  const scaled = (name: string, factor: number): Record<string, GgufValue> => ({
    [`${name}.rope.scaling.type`]: "linear",
    [`${name}.rope.scaling.factor`]: float32(factor),
  });

  test.each<[string, RandomModelOptions]>([
    ["linear scaling", { architecture: "gptneox", metadata: scaled("gptneox", 4) }],
    ["a factor of 0", { architecture: "llama", metadata: scaled("llama", 0) }],
    ["a factor alone", { architecture: "llama", metadata: { "llama.rope.scaling.factor": float32(4) } }],
    ["the older key", { architecture: "llama", metadata: { "llama.rope.scale_linear": float32(4) } }],
    ["scaling beside windows", { architecture: "mimo2", metadata: scaled("mimo2", 4) }],
    ["a base for windows", { architecture: "mimo2", metadata: { "mimo2.rope.freq_base_swa": float32(100) } }],
    [
      "a factor of attention",
      { architecture: "mimo2", metadata: { "mimo2.attention.value_scale": float32(0.5) } },
    ],
    [
      "a factor of 0, which is none",
      { architecture: "mimo2", metadata: { "mimo2.attention.value_scale": float32(0) } },
    ],
    ["a limit", { architecture: "mpt", metadata: { "mpt.attention.clamp_kqv": float32(0.5) } }],
    ["a limit elsewhere", { architecture: "llama", metadata: { "llama.attention.clamp_kqv": float32(0.5) } }],
    ["another slope", { architecture: "mpt", metadata: { "mpt.attention.max_alibi_bias": float32(4) } }],
    [
      "a factor of attention elsewhere",
      { architecture: "llama", metadata: { "llama.attention.value_scale": float32(0.5) } },
    ],
    [
      "settings that only other architectures have, or experts",
      {
        architecture: "llama",
        metadata: {
          "llama.attention.layer_norm_epsilon": float32(0.5),
          "llama.attention.max_alibi_bias": float32(8),
          "llama.attention.sliding_window": uint32(8),
          "llama.expert_feed_forward_length": uint32(7),
          "llama.expert_used_count": uint32(0),
          "llama.rope.scaling.finetuned": true,
          "llama.rope.scaling.original_context_length": uint32(16),
          "llama.tensor_data_layout": "reference",
          "llama.use_parallel_residual": true,
        },
      },
    ],
    [
      "another norm's epsilon",
      { architecture: "mpt", metadata: { "mpt.attention.layer_norm_rms_epsilon": float32(0.5) } },
    ],
  ])("%s", async (name, options) => {
    const { create, oracle } = subjectOf(`setting ${name}`, options, "F32") as Opened;
    const { backend, trace } = recordTrace(await create({ capacity: 48, batch: 48 }));
    await backend.decode(Uint32Array.from({ length: 48 }, (_, index) => 3 + ((index * 37) % 290)));
    const actual: number[] = [];
    for (let token = 0; token < 300; token += 1) actual.push(-(await backend.nll(token)));
    await backend.dispose();
    const [expected] = await oracle(trace(), [47]);
    expect(predictionError(actual, expected!)).toBeLessThan(5e-4);
  });
});

test("far down a stream llama.cpp still predicts what the oracle does", async () => {
  const options = { architecture: "llama", layers: 3 } as const;
  const reference = await loadModel(randomModel(options));
  const subject = subjectOf("far", options, "F32");
  const { backend, trace } = recordTrace(await subject.create({ capacity: 32, batch: 5 }));
  await using stream = createStream({ backend, policy: sinkWindow({ sinks: 4, stride: 3 }), budget: 32 });
  await stream.append(
    Uint32Array.from({ length: 5000 }, (_, index) => 3 + ((index * index + 7 * index) % 290)),
  );
  const actual = await Promise.all(Array.from({ length: 300 }, (_, token) => backend.nll(token)));
  // What the last row can depend on is a few windows; the rest of the 5,000 tokens has no way to it.
  const field = receptiveField(reference, trace(), [trace().tokens.length - 1]);
  expect(field.trace.tokens.length).toBeLessThan((options.layers + 1) * 32);
  const [expected] = await subject.oracle!(field.trace, field.rows);
  expect(
    predictionError(
      actual.map((nll) => -nll),
      expected!,
    ),
  ).toBeLessThan(5e-4);
});

/** A subject whose members stand alone. */
interface Opened {
  readonly create: (wish: BackendWish) => Promise<KVCacheBackend<LlamaSampling>>;
  readonly oracle: Oracle;
}

/** llama.cpp on a random model, compared with the masked forward pass of the reference backend. */
function subjectOf(
  name: string,
  options: RandomModelOptions,
  type: CacheType,
  Sequence?: typeof NativeSequence,
): BackendSubject<LlamaSampling> {
  const bytes = randomModel(options);
  // On a CPU, ggml looks GELU up in a table of F16 numbers; GPUs compute it.
  const reference = loadModel(bytes, { gelu: process.env["KVPOLICY_GPU"] ? "formula" : "table" });
  let model: Promise<LlamaModel> | undefined;
  const loadOnce = async (): Promise<LlamaModel> => {
    const modelPath = join(folder.path, `${name.replaceAll(/\W+/g, "-")}.gguf`);
    await writeFile(modelPath, bytes);
    const loaded = await llama.loadModel({ modelPath });
    models.push(loaded);
    return loaded;
  };
  return {
    name: `llama.cpp on a random model: ${name}`,
    create: async ({ capacity, batch }) => {
      const loaded = await (model ??= loadOnce());
      if (!Sequence)
        return openBackend(loaded, { capacity, keyType: type, valueType: type, threads: 1, batch });
      const context = await loaded.createContext({
        experimentalKvCacheKeyType: type,
        experimentalKvCacheValueType: type,
        contextSize: capacity,
        threads: 1,
        flashAttention: false,
      });
      const capabilities = {
        ...describeCapabilities(loaded, { keyType: type }),
        capacity,
        batch: context.batchSize,
      };
      return new LlamaBackend(new Sequence(context, context.getSequence()), capabilities, () =>
        context.dispose(),
      );
    },
    oracle: async (trace, rows) => maskedForward(await reference, trace, rows),
    greedy: { temperature: 0 },
    seeded: { temperature: 1, seed: 1 },
    reseeded: { temperature: 1, seed: 2 },
  };
}
