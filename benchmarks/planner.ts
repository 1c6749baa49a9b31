/**
 * What the stream itself costs a token, policy, plan check and mirror included: sink-window at default strides on a backend
 * that does nothing.
 */
import { quantiles } from "@kvpolicy/bench";
import { createStream, type KVCacheBackend } from "@kvpolicy/core";
import { sinkWindow } from "@kvpolicy/sink-window";

import { loadNamedModel, round, time, writeResults } from "./shared.js";

const TOKENS = 2_000_000;

const idle: KVCacheBackend = {
  capabilities: {
    capacity: 1 << 20,
    batch: 512,
    vocabularySize: 1 << 20,
    reindex: true,
    truncate: true,
    nll: "idle",
    attention: "idle",
    keys: "idle",
  },
  decode: () => Promise.resolve(undefined),
  nll: () => Promise.reject(new Error("idle")),
  createSampler: () => ({ sample: () => Promise.resolve(0), dispose: () => undefined }),
  evict: () => Promise.resolve(),
  truncate: () => Promise.resolve(),
  clear: () => Promise.resolve(),
  dispose: () => Promise.resolve(),
};

await using loaded = await loadNamedModel();
const tokens = new Uint32Array(TOKENS);
const figures = [];
for (const budget of [256, 1024, 4096]) {
  const samples = [];
  for (let run = 0; run < 6; run += 1) {
    await using stream = createStream({ backend: idle, policy: sinkWindow(), budget });
    const elapsed = await time(() => stream.append(tokens));
    if (run > 0) samples.push((elapsed * 1000) / TOKENS);
  }
  const [low = NaN, mid = NaN, high = NaN] = quantiles(samples, [0, 0.5, 1]);
  figures.push({
    budget,
    microsecondsPerToken: { median: round(mid), minimum: round(low), maximum: round(high) },
  });
}
await writeResults("planner", loaded, figures);
