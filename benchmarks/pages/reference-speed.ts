/** What `benchmarks/reference-speed.ts` measures, in Node, on a page and in a worker alike. */
import { loadModel, openStream } from "@kvpolicy/reference-backend";
import { sinkWindow } from "@kvpolicy/sink-window";

/** What is measured. The cache is full, and evictions go on, in both streams of tokens. */
export interface Speed {
  /** Milliseconds that loading takes. */
  readonly loadMilliseconds: number;
  /** Tokens per second that are appended in a single call. */
  readonly prefill: number;
  /** Tokens per second that are appended one by one. Nothing is drawn. */
  readonly decode: number;
}

const PREFILL = 512;
const DECODE = 600;

/** Loads the model, fills the cache, then appends a stretch in a single call and another one token by token. */
export async function measureSpeed(bytes: Uint8Array, budget: number): Promise<Speed> {
  const start = performance.now();
  const model = await loadModel(bytes);
  const loadMilliseconds = performance.now() - start;
  await using stream = openStream(model, { policy: sinkWindow(), budget });
  const tokens = Uint32Array.from(
    { length: PREFILL },
    (_, index) => 1 + ((index * 37) % (model.vocabularySize - 1)),
  );
  await stream.append(tokens);
  const prefill = await timed(PREFILL, () => stream.append(tokens));
  const decode = await timed(DECODE, async () => {
    for (const token of Array.from({ length: DECODE }, (_, index) => tokens[index % PREFILL] ?? 0)) {
      await stream.append([token]);
    }
  });
  return { loadMilliseconds, prefill, decode };
}

async function timed(count: number, task: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await task();
  return (1000 * count) / (performance.now() - start);
}
