/**
 * llama.cpp against the reference backend on random models of every architecture, weights, keys and values in F32: random
 * histories of decoding and evicting, and how far the predictions lie apart. With `--keys` instead: what F16 keys lose, by
 * stride, where llama.cpp rotates them anew at every eviction.
 */
import { klDivergence, predictionError } from "@kvpolicy/conformance";
import type { CacheRange, KVCacheBackend } from "@kvpolicy/core";
import { openBackend, type CacheType } from "@kvpolicy/llamacpp-adapter";
import { loadModel, ReferenceBackend } from "@kvpolicy/reference-backend";
import { randomModel, type RandomModelOptions } from "@kvpolicy/reference-backend/testing";
import fc from "fast-check";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createRandom } from "../packages/reference-backend/src/random.js";
import { round, THREADS, writeFigures } from "./shared.js";

const SEED = 1;
const TRACES = 50;
const VOCABULARY = 300;
const LAYERS = [1, 2, 3, 4];
const ARCHITECTURES: readonly (RandomModelOptions & { readonly name: string })[] = [
  { name: "llama", architecture: "llama", heads: 4, keyValueHeads: 2 },
  { name: "gptneox", architecture: "gptneox", rotated: 8 },
  { name: "falcon", architecture: "falcon" },
  { name: "mpt", architecture: "mpt" },
  { name: "mimo2 with sink logits", architecture: "mimo2", attentionSinks: "random" },
];
/** Architectures whose GELU llama.cpp looks up in a table of F16 numbers. */
const WITH_TABLE = new Set(["gptneox", "falcon", "mpt"]);

/** A history: the cache is filled to the budget, then cells leave and as many tokens come, over and over. */
interface History {
  readonly budget: number;
  readonly stride: number;
  /** Cells in front that stay, when those that leave are the oldest behind them; else any cells leave. */
  readonly sinks: number | "random cells";
  readonly evictions: number;
  readonly seed: number;
}

const histories: fc.Arbitrary<History> = fc
  .record({
    budget: fc.integer({ min: 8, max: 300 }),
    stride: fc.integer({ min: 1, max: 64 }),
    sinks: fc.oneof(fc.nat(4), fc.constant("random cells" as const)),
    evictions: fc.integer({ min: 4, max: 12 }),
    seed: fc.nat(),
  })
  .map((history) => ({ ...history, stride: Math.min(history.stride, history.budget - 5) }));

/** Deviations of the predictions after each eviction. */
interface Deviations {
  readonly errors: number[];
  readonly divergences: number[];
}

const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const folder = await mkdtemp(join(tmpdir(), "kvpolicy-"));
try {
  await (process.argv.includes("--keys") ? measureKeys() : measureArchitectures());
} finally {
  await rm(folder, { recursive: true, force: true });
  await llama.dispose();
}

async function measureArchitectures(): Promise<void> {
  const figures = [];
  for (const { name, ...options } of ARCHITECTURES) {
    for (const layers of LAYERS) {
      // llama.cpp ends the process when a mimo2 model has no layer of one of its two kinds.
      if (options.architecture === "mimo2" && layers === 1) continue;
      const forms = WITH_TABLE.has(options.architecture)
        ? (["table", "formula"] as const)
        : (["formula"] as const);
      for (const gelu of forms) {
        const sampled = fc.sample(histories, { numRuns: TRACES, seed: SEED });
        const all = await compare({ ...options, layers }, gelu, "F32", sampled);
        figures.push({
          architecture: name,
          layers,
          ...(WITH_TABLE.has(options.architecture) && { gelu }),
          traces: TRACES,
          comparisons: all.errors.length,
          ...summarise(all),
        });
        console.error(JSON.stringify(figures.at(-1)));
      }
    }
  }
  await writeFigures("exactness", ["exactness.ts"], {
    seed: SEED,
    weights: "F32",
    keysAndValues: "F32",
    error: "‖Δ‖ / ‖logits‖ over all 300 token ids, both mean-centred; after each eviction and refill",
    figures,
  });
}

async function measureKeys(): Promise<void> {
  const figures = [];
  for (const keyType of ["F16", "F32"] as const) {
    for (const stride of [1, 4, 16, 64]) {
      const budget = 256;
      // Long enough for a key to travel the whole window twice.
      const evictions = Math.ceil((2 * budget) / stride);
      const history = { budget, stride, sinks: 4, evictions, seed: SEED };
      const model = { architecture: "llama", heads: 2, headSize: 64, layers: 2 } as const;
      const all = await compare(model, "formula", keyType, [history]);
      figures.push({ keyType, stride, evictions, comparisons: all.errors.length, ...summarise(all) });
      console.error(JSON.stringify(figures.at(-1)));
    }
  }
  await writeFigures("exactness-keys", ["exactness.ts", "--keys"], {
    seed: SEED,
    model: "random llama, 2 layers, 2 heads of 64, base 10,000",
    weights: "F32",
    values: "F32",
    budget: 256,
    sinks: 4,
    figures,
  });
}

async function compare(
  options: RandomModelOptions,
  gelu: "table" | "formula",
  keyType: CacheType,
  sampled: readonly History[],
): Promise<Deviations> {
  const bytes = randomModel({ ...options, vocabularySize: VOCABULARY });
  const modelPath = join(folder, "model.gguf");
  await writeFile(modelPath, bytes);
  const native = await llama.loadModel({ modelPath });
  const reference = await loadModel(bytes, { gelu });
  const all: Deviations = { errors: [], divergences: [] };
  try {
    for (const history of sampled) {
      const capacity = history.budget;
      const backend = await openBackend(native, { capacity, keyType, valueType: "F32", threads: THREADS });
      const oracle = new ReferenceBackend(reference, { capacity });
      try {
        await run(history, backend, oracle, all);
      } finally {
        await backend.dispose();
      }
    }
  } finally {
    await native.dispose();
  }
  return all;
}

async function run(
  { budget, stride, sinks, evictions, seed }: History,
  backend: KVCacheBackend,
  oracle: KVCacheBackend,
  { errors, divergences }: Deviations,
): Promise<void> {
  const random = createRandom(seed);
  const draw = (count: number): Uint32Array =>
    Uint32Array.from({ length: count }, () => 3 + Math.floor(random() * (VOCABULARY - 3)));
  const both = async (task: (one: KVCacheBackend) => Promise<unknown>): Promise<void> => {
    await task(backend);
    await task(oracle);
  };
  const first = draw(budget);
  await both((one) => one.decode(first));
  for (let count = 0; count < evictions; count += 1) {
    const leaving =
      sinks === "random cells" ? anyCells(budget, stride, random) : [{ start: sinks, end: sinks + stride }];
    await both((one) => one.evict(leaving));
    const block = draw(stride);
    await both((one) => one.decode(block));
    const [actual, expected] = [await predictions(backend), await predictions(oracle)];
    errors.push(predictionError(actual, expected));
    divergences.push(klDivergence(actual, expected));
  }
}

/** Ranges of `count` cells in all, anywhere. */
function anyCells(length: number, count: number, random: () => number): CacheRange[] {
  const cells = Array.from({ length }, (_, index) => ({ index, key: random() }));
  const chosen = cells.sort((a, b) => a.key - b.key).slice(0, count);
  return chosen.map(({ index }) => ({ start: index, end: index + 1 })).sort((a, b) => a.start - b.start);
}

/** Log-probability of every token id at the pending position. */
async function predictions(backend: KVCacheBackend): Promise<Float64Array> {
  const values = new Float64Array(VOCABULARY);
  for (let token = 0; token < VOCABULARY; token += 1) values[token] = -(await backend.nll(token));
  return values;
}

function summarise({ errors, divergences }: Deviations): object {
  const sorted = errors.toSorted((a, b) => a - b);
  return {
    medianError: round(sorted[Math.floor(sorted.length / 2)] ?? NaN),
    largestError: round(sorted.at(-1) ?? NaN),
    largestDivergence: round(Math.max(...divergences)),
  };
}
