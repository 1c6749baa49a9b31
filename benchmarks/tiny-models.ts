/**
 * Every policy on a tiny model, by three programs that share no code: our stack on llama.cpp, our stack on the reference
 * backend, and the evaluator of the trainer, whose figures are committed. The argument is the name of a model, `tiny:plain` say.
 */
import { anchors, movingBlockBootstrap } from "@kvpolicy/bench";
import { createStream, type KVCacheBackend, type KVCachePolicy } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { openBackend } from "@kvpolicy/llamacpp-adapter";
import { recompute } from "@kvpolicy/recompute";
import { loadModel, ReferenceBackend } from "@kvpolicy/reference-backend";
import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";
import { window } from "@kvpolicy/window";
import { readFile } from "node:fs/promises";

import { TINY } from "../packages/cli/src/load-model.js";
import { argument, loadNamedModel, round, writeResults } from "./shared.js";

const TEXT = "held_out";
const BUDGET = 128;
/** From here on every cache is full, at the trained length too. */
const FROM = 256;
const BOS = 0;
const SEED = 1;
/** Tokens that the reference backend scores under recomputation, which costs it a budget of tokens for each. */
const FEW = 512;

interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** The trainer's results for one budget. */
interface Evaluation {
  readonly anchors: readonly (readonly number[])[];
  readonly perplexity: Readonly<Record<string, Estimate>>;
  readonly perplexity_of_few: Readonly<Record<string, number>>;
}

const name = argument(2)?.replace(TINY, "") ?? "sink";
const tinyModel = Object.values(tinyModels).find((one) => one.name === name);
if (!tinyModel) throw new Error(`there is no model ${name}`);
const trainer = await readJson<{
  texts: Record<string, { budgets: Record<string, Evaluation> }>;
}>(`training/results/${name}/seed-${tinyModel.training.seed}-evaluation.json`);
const expected = trainer.texts[TEXT]!.budgets[String(BUDGET)]!;
const streams = await readJson<Record<string, readonly number[]>>("training/results/streams.json");
const text = Uint32Array.from(streams[TEXT]!);
/** The trainer's stream has as many tokens as the text, BOS included. */
const tokens = text.subarray(0, text.length - 1);

await using loaded = await loadNamedModel(TINY + name);
const reference = await loadModel(loaded.path);

/** How far apart two backends are, and what one of them measures. */
type Open = (capacity: number) => Promise<KVCacheBackend>;
const openLlama: Open = (capacity) => openBackend(loaded.model, { capacity, threads: 1 });
const openReference: Open = (capacity) => Promise.resolve(new ReferenceBackend(reference, { capacity }));

const stride = 1;
const policies: Record<string, KVCachePolicy> = {
  dense: dense(),
  window: window({ stride }),
  sinks_1: sinkWindow({ sinks: 1, stride }),
  sinks_2: sinkWindow({ sinks: 2, stride }),
  sinks_4: sinkWindow({ sinks: 4, stride }),
  sinks_8: sinkWindow({ sinks: 8, stride }),
  random_4_draw_0: anchors({ positions: expected.anchors[0]!, stride }),
  recompute_bos: recompute({ stride, head: "bos" }),
  recompute_none: recompute({ stride, head: "none" }),
};

const figures = [];
let largestDifference = 0;
for (const [row, policy] of Object.entries(policies)) {
  const isSlow = row.startsWith("recompute");
  const nlls = await score(openLlama, policy, tokens.length);
  const referenceNlls = await score(openReference, policy, isSlow ? FROM + FEW - 1 : tokens.length);
  const shared = nlls.subarray(0, referenceNlls.length);
  const llama = perplexity(nlls);
  const others = {
    trainer: expected.perplexity[row]!.value / llama.value,
    referenceBackend: perplexity(referenceNlls).value / perplexity(shared).value,
    ...(isSlow && {
      referenceBackendToTrainer: perplexity(referenceNlls).value / expected.perplexity_of_few[row]!,
    }),
  };
  for (const ratio of Object.values(others)) {
    largestDifference = Math.max(largestDifference, Math.abs(ratio - 1));
  }
  figures.push({
    policy: row,
    tokens: nlls.length,
    perplexity: roundAll(llama),
    timesThis: Object.fromEntries(
      Object.entries(others).map(([who, ratio]) => [who, Number(ratio.toFixed(6))]),
    ),
    referenceTokens: referenceNlls.length,
  });
  console.error(JSON.stringify(figures.at(-1)));
}
await writeResults("tiny-models", loaded, {
  text: TEXT,
  budget: BUDGET,
  stride,
  from: FROM,
  perplexity:
    "of llama.cpp, with a 95 % interval of a moving-block bootstrap; the other programs as multiples of it",
  largestDifference: round(largestDifference),
  figures,
});

/** Likelihoods of the tokens from stream position `FROM` to `end`, as a stream of its own scores them. */
async function score(open: Open, policy: KVCachePolicy, end: number): Promise<Float64Array> {
  const budget = policy.name === "dense" ? tokens.length + 1 : BUDGET;
  await using stream = createStream({ backend: await open(budget), policy, budget, bos: BOS });
  // Entry i is the token at stream position i + 1, behind BOS.
  return (await stream.score(tokens.subarray(0, end))).subarray(FROM - 1);
}

function perplexity(nlls: Float64Array): Estimate {
  const { mean, interval } = movingBlockBootstrap(nlls, { seed: SEED });
  return {
    value: Math.exp(mean),
    low: Math.exp(interval?.lower ?? NaN),
    high: Math.exp(interval?.upper ?? NaN),
  };
}

function roundAll(estimate: Estimate): Estimate {
  return { value: round(estimate.value), low: round(estimate.low), high: round(estimate.high) };
}

async function readJson<Content>(file: string): Promise<Content> {
  return JSON.parse(await readFile(new URL(`../${file}`, import.meta.url), "utf8")) as Content;
}
