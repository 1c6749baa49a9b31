/**
 * What it costs to know the likelihood of every token, which `surprise` requires: `surprise` without surprises keeps the same cells as
 * sink-window, so the two differ in that alone. Rounds alternate.
 */
import { quantiles } from "@kvpolicy/bench";
import type { KVCachePolicy } from "@kvpolicy/core";
import { openStream, type LlamaStream } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";
import { surprise } from "@kvpolicy/surprise";

import { loadNamedModel, readTokens, round, THREADS, time, writeResults } from "./shared.js";

const ROUNDS = 7;
const BUDGET = 256;
const APPENDED = 1024;
const GENERATED = 96;

await using loaded = await loadNamedModel();
const { model } = loaded;
const tokens = await readTokens(model, BUDGET + APPENDED);

const policies: Readonly<Record<string, () => KVCachePolicy>> = {
  without: () => sinkWindow(),
  with: () => surprise({ surprises: 0 }),
};

/** What is timed, on a stream whose cache is full, and for how many tokens. */
const tasks: Readonly<Record<string, { tokens: number; run: (stream: LlamaStream) => Promise<void> }>> = {
  append: { tokens: APPENDED, run: (stream) => stream.append(tokens.subarray(BUDGET)) },
  generate: {
    tokens: GENERATED,
    run: async (stream) => {
      // Sampled at random, so that a loop of the model does not end it.
      const generation = stream.generate({ maxTokens: GENERATED, temperature: 1, seed: 1 });
      while (!(await generation.next()).done);
    },
  },
};

const figures = [];
for (const [task, { tokens: count, run }] of Object.entries(tasks)) {
  const samples: Record<string, number[]> = { without: [], with: [] };
  for (let index = 0; index < ROUNDS; index += 1) {
    for (const [kind, create] of Object.entries(policies)) {
      await using stream = await openStream(model, { policy: create(), budget: BUDGET, threads: THREADS });
      await stream.append(tokens.subarray(0, BUDGET));
      const before = stream.position;
      const elapsed = await time(() => run(stream));
      samples[kind]?.push(elapsed / Math.min(count, stream.position - before));
    }
  }
  const ratios = (samples["with"] ?? []).map((value, index) => value / (samples["without"]?.[index] ?? NaN));
  const median = (values: readonly number[] = []): number => round(quantiles(values, [0.5])[0] ?? NaN);
  figures.push({
    task,
    millisecondsPerToken: { without: median(samples["without"]), with: median(samples["with"]) },
    ratio: median(ratios),
    ratios: ratios.map(round),
  });
}
await writeResults("likelihoods", loaded, { budget: BUDGET, rounds: ROUNDS, figures });
