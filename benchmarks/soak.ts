/**
 * Many tokens through one stream: is the resident memory at the end that of the beginning, and are the cells never above the
 * budget? The second argument is the number of tokens, 200,000 by default.
 */
import { openStream } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";

import { argument, loadNamedModel, readTokens, round, THREADS, time, writeResults } from "./shared.js";

const count = Number(argument(3) ?? 200_000);
const BUDGET = 256;
const CHUNK = 1000;

await using loaded = await loadNamedModel();
const tokens = await readTokens(loaded.model, count);
await using stream = await openStream(loaded.model, {
  policy: sinkWindow(),
  budget: BUDGET,
  threads: THREADS,
  onWarning: () => undefined,
});

const samples: { tokens: number; residentMebibytes: number; millisecondsPerToken: number }[] = [];
let mostCells = 0;
let elapsed = 0;
for (let start = 0; start < count; start += CHUNK) {
  const chunk = tokens.subarray(start, start + CHUNK);
  elapsed += await time(() =>
    stream.append(chunk, {
      onStep: () => {
        mostCells = Math.max(mostCells, stream.length);
      },
    }),
  );
  const read = start + chunk.length;
  if (read % Math.max(CHUNK, count / 10) === 0) {
    globalThis.gc?.();
    samples.push({
      tokens: read,
      residentMebibytes: round(process.memoryUsage.rss() / 2 ** 20),
      millisecondsPerToken: round(elapsed / (count / 10)),
    });
    elapsed = 0;
  }
}
await writeResults("soak", loaded, {
  tokens: count,
  budget: BUDGET,
  mostCells,
  stats: stream.stats,
  samples,
});
