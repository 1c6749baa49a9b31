/**
 * What an eviction adds to decoding one token at a time: a sink-window stream at its full budget against the same decoding
 * without evictions at the same cache lengths (the tail is dropped in place of the middle, which moves no key). In turn, whole
 * strides. The second argument is the budget, 1,024 by default.
 */
import { quantiles } from "@kvpolicy/bench";
import { resolveStride } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { openStream } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";

import { argument, loadNamedModel, readTokens, round, THREADS, time, writeResults } from "./shared.js";

const budget = Number(argument(3) ?? 1024);
const sinks = 4;

await using loaded = await loadNamedModel();
const { model } = loaded;
const tokens = await readTokens(model, budget + 4096);
const settings = { bos: false, threads: THREADS, onWarning: (): undefined => undefined };
const defaultStride = resolveStride(undefined, budget - sinks);

const figures = [];
for (const [stride, strides] of [
  [defaultStride, 9],
  [16, 12],
  [1, 48],
] as const) {
  await using evicting = await openStream(model, {
    policy: sinkWindow({ sinks, window: budget - sinks, stride }),
    ...settings,
  });
  await using plain = await openStream(model, { policy: dense(), budget, ...settings });
  await evicting.append(tokens.subarray(0, budget));
  await plain.append(tokens.subarray(0, budget));

  const appendOneByOne = async (stream: typeof plain, from: number): Promise<void> => {
    for (let index = 0; index < stride; index += 1)
      await stream.append(tokens.subarray(from + index, from + index + 1));
  };
  // Going back takes the last kept token out of the cache and holds it: decode that before the clock starts.
  const plainStride = async (): Promise<number> => {
    await plain.truncate(budget - stride);
    await plain.append([]);
    return time(() => appendOneByOne(plain, budget - stride));
  };
  const ratios: number[] = [];
  const [withEviction, without]: [number[], number[]] = [[], []];
  for (let index = -1; index < strides; index += 1) {
    const evictionTime = await time(() => appendOneByOne(evicting, budget + (index + 1) * stride));
    const plainTime = await plainStride();
    if (index < 0) continue;
    withEviction.push(evictionTime / stride);
    without.push(plainTime / stride);
    ratios.push(evictionTime / plainTime);
  }
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [low = NaN, mid = NaN, high = NaN] = quantiles(ratios, [0, 0.5, 1]);
  figures.push({
    budget,
    stride,
    isDefaultStride: stride === defaultStride,
    strides,
    millisecondsPerToken: { withEviction: round(mean(withEviction)), plain: round(mean(without)) },
    ratioOfMeans: round(mean(withEviction) / mean(without)),
    ratioPerStride: { median: round(mid), minimum: round(low), maximum: round(high) },
  });
}
await writeResults("eviction", loaded, figures);
