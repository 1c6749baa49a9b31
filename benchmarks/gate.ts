/**
 * What the gate says of every kind of model that it knows, as random ones, and of real ones that arguments or `KVPOLICY_MODEL` name: the
 * verdict for each kind of policy and the self-test's error, also of those that the metadata refuse and whose keys can be moved without
 * ending the process. For real models also what the self-test costs when a stream is opened.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import { inspectModel, openStream, type CacheType, type ModelInspection } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";
import type { Llama, LlamaModel } from "node-llama-cpp";

import { loadLlama } from "../packages/cli/src/load-llama.js";
import { NativeSequence } from "../packages/llamacpp-adapter/src/native-sequence.js";
import { isTestable, runShiftSelfTest } from "../packages/llamacpp-adapter/src/gate/shift-self-test.js";
import {
  CRASHING,
  FORGETFUL,
  makeModel,
  MODEL_KINDS,
  UNKNOWN_FAULT,
  type ModelKind,
} from "../packages/llamacpp-adapter/testing/model-kinds.js";
import { round, THREADS, time, writeFigures } from "./shared.js";

const real = process.argv.slice(2).length > 0 ? process.argv.slice(2) : [process.env["KVPOLICY_MODEL"] ?? ""];

const llama = await loadLlama(false);
const folder = await mkdtemp(join(tmpdir(), "kvpolicy-gate-"));
const kinds = [];
for (const kind of [...MODEL_KINDS, UNKNOWN_FAULT]) kinds.push(await judgeKind(llama, kind));
const models = [];
for (const path of real.filter((name) => name !== "")) models.push(await judgeModel(llama, path));
await llama.dispose();
await rm(folder, { recursive: true });
await writeFigures("gate", ["gate.ts", ...models.map(({ name }) => `path/to/${name}`)], {
  device: "cpu",
  kinds,
  models,
});

async function judgeKind(engine: Llama, kind: ModelKind): Promise<object> {
  const modelPath = join(folder, "model.gguf");
  await writeFile(modelPath, makeModel(kind));
  const model = await engine.loadModel({ modelPath });
  const { keyType = "F16" } = kind;
  const verdict = await inspectModel(model, { keyType });
  const alone = CRASHING.includes(kind)
    ? "ends the process"
    : FORGETFUL.includes(kind)
      ? "not for caches that forget by themselves"
      : await testAlone(model, keyType);
  await model.dispose();
  return { kind: kind.name, keyType, ...show(verdict), rule: kind.rule ?? null, selfTestAlone: alone };
}

/** The self-test, past the metadata. */
async function testAlone(model: LlamaModel, keyType: CacheType): Promise<object | null> {
  if (!isTestable(keyType)) return null;
  const context = await model.createContext({
    contextSize: 256,
    threads: THREADS,
    flashAttention: false,
    experimentalKvCacheKeyType: keyType,
  });
  const { error, noise, threshold, passed } = await runShiftSelfTest(
    new NativeSequence(context, context.getSequence()),
    {
      keyType,
      batch: context.batchSize,
      quantisedWeights: false,
      vocabularySize: model.fileInfo.metadata.tokenizer.ggml.tokens.length,
      trainedLength: model.trainContextSize,
    },
  );
  await context.dispose();
  return { error: round(error), noise: round(noise), threshold: round(threshold), passed };
}

async function judgeModel(engine: Llama, path: string): Promise<{ name: string }> {
  const name = basename(path);
  const verdicts = [];
  for (const keyType of ["F32", "F16", "Q8_0", "Q4_0"] as const) {
    const model = await engine.loadModel({ modelPath: path });
    const verdict = await inspectModel(model, { keyType });
    verdicts.push({ keyType, ...show(verdict), selfTest: verdict.selfTest && roundAll(verdict.selfTest) });
    await model.dispose();
  }
  const milliseconds = [];
  for (const budget of [256, 1024, 4096])
    milliseconds.push({ budget, ...(await timeOpening(engine, path, budget)) });
  return { name, verdicts, milliseconds } as { name: string };
}

/** Milliseconds that opening takes: without the self-test, with it, and with its result known. Medians of five. */
async function timeOpening(engine: Llama, path: string, budget: number): Promise<object> {
  const samples: { without: number; first: number; second: number }[] = [];
  for (let repetition = 0; repetition < 5; repetition += 1) {
    const model = await engine.loadModel({ modelPath: path });
    const opening = (selfTest: boolean): Promise<number> =>
      time(async () => {
        const stream = await openStream(model, { policy: sinkWindow(), budget, threads: THREADS, selfTest });
        await stream.dispose();
      });
    // The first context of a model pays for what all of them share.
    await opening(false);
    samples.push({ without: await opening(false), first: await opening(true), second: await opening(true) });
    await model.dispose();
  }
  const median = (key: "without" | "first" | "second"): number =>
    round(samples.map((sample) => sample[key]).sort((one, other) => one - other)[2]!);
  return { without: median("without"), first: median("first"), second: median("second") };
}

function show({ reuse, recompute, dense }: ModelInspection): object {
  return {
    reuse: reuse.fidelity,
    recompute: recompute.fidelity,
    dense: dense.fidelity,
    reason: reuse.reason,
    metadata: reuse.metadata,
    ...(reuse.remedy && { remedy: reuse.remedy.text }),
  };
}

function roundAll(numbers: object): object {
  return Object.fromEntries(
    Object.entries(numbers).map(([key, value]) => [
      key,
      typeof value === "number" ? round(value) : (value as unknown),
    ]),
  );
}
