/**
 * Sink-window against recompute, both at the same stride: milliseconds per token over whole strides at a full cache, tokens
 * decoded one at a time. The second argument lists budgets, 256,512,1024,2048 by default.
 */
import { openStream, type LlamaStream } from "@kvpolicy/llamacpp-adapter";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";

import { argument, loadNamedModel, readTokens, round, THREADS, time, writeResults } from "./shared.js";

const budgets = (argument(3) ?? "256,512,1024,2048").split(",").map(Number);
const settings = { bos: false, threads: THREADS, onWarning: (): undefined => undefined };

await using loaded = await loadNamedModel();
const { model } = loaded;
const tokens = await readTokens(model, Math.max(...budgets) + 4096);

/** Milliseconds per token over `strides` whole strides, after one that is not counted. */
async function measure(stream: LlamaStream, stride: number, strides: number): Promise<number> {
  await stream.append(tokens.subarray(0, stream.budget));
  const read = async (count: number): Promise<void> => {
    for (let index = 0; index < count * stride; index += 1) {
      await stream.append(tokens.subarray(stream.position, stream.position + 1));
    }
  };
  await read(1);
  return (await time(() => read(strides))) / (strides * stride);
}

const figures = [];
for (const budget of budgets) {
  for (const [stride, sinkStrides, recomputeStrides] of [
    [1, 64, Math.max(2, Math.round(2048 / budget))],
    [64, 2, 1],
  ] as const) {
    await using sinkStream = await openStream(model, {
      policy: sinkWindow({ sinks: 4, window: budget - 4, stride }),
      ...settings,
    });
    const sinkWindowTime = await measure(sinkStream, stride, sinkStrides);
    await using recomputeStream = await openStream(model, {
      policy: recompute({ window: budget, stride }),
      ...settings,
    });
    const recomputeTime = await measure(recomputeStream, stride, recomputeStrides);
    figures.push({
      budget,
      stride,
      tokens: { sinkWindow: sinkStrides * stride, recompute: recomputeStrides * stride },
      millisecondsPerToken: { sinkWindow: round(sinkWindowTime), recompute: round(recomputeTime) },
      recomputeDividedBySinkWindow: round(recomputeTime / sinkWindowTime),
    });
    console.error(JSON.stringify(figures.at(-1)));
  }
}
await writeResults("recompute", loaded, figures);
