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
/** Tokens that are scored where it is slow: on the reference backend, and under recomputation. */
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
  // Recomputation computes a budget of tokens for each one that it scores.
  const isSlow = policy.name === "recompute";
  const nlls = await score(openLlama, policy, isSlow ? FROM + FEW - 1 : tokens.length);
  const few = await score(openReference, policy, FROM + FEW - 1);
  const ofFew = meanPerplexity(few);
  const trainerOfFew = expected.perplexity_of_few[row]!;
  const { mean, interval } = movingBlockBootstrap(nlls, { seed: SEED });
  const perplexity = Math.exp(mean);
  const ratios = {
    trainer: (isSlow ? trainerOfFew : expected.perplexity[row]!.value) / perplexity,
    referenceBackend: ofFew / meanPerplexity(nlls.subarray(0, few.length)),
    referenceBackendToTrainer: ofFew / trainerOfFew,
  };
  for (const ratio of Object.values(ratios)) {
    largestDifference = Math.max(largestDifference, Math.abs(ratio - 1));
  }
  figures.push({
    policy: row,
    tokens: nlls.length,
    perplexity: round(perplexity),
    interval: interval && [round(Math.exp(interval.lower)), round(Math.exp(interval.upper))],
    ratios: Object.fromEntries(Object.entries(ratios).map(([who, ratio]) => [who, Number(ratio.toFixed(6))])),
  });
  console.error(JSON.stringify(figures.at(-1)));
}
await writeResults("tiny-models", loaded, {
  text: TEXT,
  budget: BUDGET,
  stride,
  from: FROM,
  few: FEW,
  perplexity: "of llama.cpp; the interval is of a moving-block bootstrap, 95 %, and takes 8,192 tokens",
  ratios:
    "of the trainer's perplexity to llama.cpp's, and over the first few tokens of the reference backend's to llama.cpp's and the trainer's",
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

function meanPerplexity(nlls: Float64Array): number {
  return Math.exp(nlls.reduce((sum, nll) => sum + nll, 0) / nlls.length);
}

async function readJson<Content>(file: string): Promise<Content> {
  return JSON.parse(await readFile(new URL(`../${file}`, import.meta.url), "utf8")) as Content;
}
