/**
 * A million tokens through one stream: is the resident memory at the end that of the beginning, are the cells never above the budget,
 * and does the last window predict what the oracle does that replays its history? The second argument is the number of tokens. A
 * model in the box runs with its weights in F32, so that nothing but the cache can round; `--keys=F16` caches as llama.cpp does by
 * default, else keys and values are F32. A larger model is not compared.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { predictionError } from "@kvpolicy/conformance";
import { createStream, type KVCacheBackend } from "@kvpolicy/core";
import { openBackend } from "@kvpolicy/llamacpp-adapter";
import { loadModel, maskedForward, receptiveField, type Trace } from "@kvpolicy/reference-backend";
import { sinkWindow } from "@kvpolicy/sink-window";
import { toFloat32 } from "@kvpolicy/tiny-models/testing";

import { argument, flag, loadNamedModel, readTokens, round, THREADS, time, writeResults } from "./shared.js";

const count = Number(argument(3) ?? 1_000_000);
const keyType = flag("keys") === "F16" ? "F16" : "F32";
const BUDGET = 256;
const CHUNK = 1000;
/** Places in the last window whose predictions are compared over the whole vocabulary. */
const PLACES = 8;
const SINKS = 4;

await using loaded = await loadNamedModel();
const folder = await mkdtemp(join(tmpdir(), "kvpolicy-"));
const isTiny = loaded.disclosure !== null;
const bytes = isTiny ? toFloat32(await readFile(loaded.path)) : undefined;
const modelPath = bytes ? join(folder, "float32.gguf") : loaded.path;
if (bytes) await writeFile(modelPath, bytes);
const model = await loaded.model.llama.loadModel({ modelPath });
const reference = bytes && (await loadModel(bytes));

/**
 * Notes what the last rows and the first cells see, and forgets the rest: a trace of a million rows would not be flat. Rows that are
 * kept see of the forgotten ones nothing, which is right only where nothing but their embedding is needed.
 */
function recordTail(
  inside: KVCacheBackend,
  kept: number,
): { backend: KVCacheBackend; trace: () => { trace: Trace; rows: number } } {
  let rows = 0;
  let cells: number[] = [];
  const seen = new Map<number, { token: number; visible: number[] }>();
  const backend: KVCacheBackend = {
    capabilities: inside.capabilities,
    decode: async (tokens, options) => {
      const scores = await inside.decode(tokens, options);
      for (const token of tokens) {
        cells.push(rows);
        seen.set(rows, { token, visible: [...cells] });
        if (rows - kept >= SINKS) seen.delete(rows - kept);
        rows += 1;
      }
      return scores;
    },
    nll: (target) => inside.nll(target),
    createSampler: (options) => inside.createSampler(options),
    evict: async (ranges) => {
      await inside.evict(ranges);
      cells = cells.filter((_, index) => !ranges.some(({ start, end }) => start <= index && index < end));
    },
    truncate: (length) => inside.truncate(length),
    clear: () => inside.clear(),
    dispose: () => inside.dispose(),
  };
  const trace = (): { trace: Trace; rows: number } => {
    const known = [...seen.keys()].sort((one, other) => one - other);
    const renumbered = new Map(known.map((row, index) => [row, index]));
    return {
      rows: known.length,
      trace: {
        tokens: Uint32Array.from(known, (row) => seen.get(row)?.token ?? 0),
        visible: known.map((row) =>
          Uint32Array.from(seen.get(row)?.visible.flatMap((other) => renumbered.get(other) ?? []) ?? []),
        ),
      },
    };
  };
  return { backend, trace };
}

try {
  const layers = reference?.layers.length ?? 1;
  const opened = await openBackend(model, {
    capacity: BUDGET,
    keyType,
    valueType: keyType,
    threads: THREADS,
  });
  const { backend, trace } = recordTail(opened, (layers + 2) * BUDGET);
  await using stream = createStream({ backend, policy: sinkWindow({ sinks: SINKS }), budget: BUDGET });
  const tokens = await readTokens(model, count);

  const samples: { tokens: number; residentMebibytes: number; millisecondsPerToken: number }[] = [];
  let mostCells = 0;
  let elapsed = 0;
  for (let start = 0; start < count - BUDGET; start += CHUNK) {
    const chunk = tokens.subarray(start, Math.min(start + CHUNK, count - BUDGET));
    elapsed += await time(() =>
      stream.append(chunk, {
        onStep: () => {
          mostCells = Math.max(mostCells, stream.length);
        },
      }),
    );
    const read = start + CHUNK;
    if (read % Math.max(CHUNK, count / 10) === 0) {
      globalThis.gc?.();
      samples.push({
        tokens: read,
        residentMebibytes: round(process.memoryUsage.rss() / 2 ** 20),
        millisecondsPerToken: round(elapsed / (count / 10)),
      });
      console.error(JSON.stringify(samples.at(-1)));
      elapsed = 0;
    }
  }

  const lastWindow = reference && (await compareLastWindow());
  await writeResults("soak", loaded, {
    tokens: count,
    budget: BUDGET,
    stride: "default",
    weights: bytes ? "F32" : "as in the file",
    keysAndValues: keyType,
    mostCells,
    stats: stream.stats,
    samples,
    ...(lastWindow && { lastWindow }),
  });

  async function compareLastWindow(): Promise<object> {
    if (!reference) return {};
    const nlls: number[] = [];
    const predictions: { readonly row: number; readonly values: number[] }[] = [];
    const vocabulary = backend.capabilities.vocabularySize;
    for (let place = 0; place < PLACES; place += 1) {
      const size = BUDGET / PLACES;
      const start = count - BUDGET + place * size;
      nlls.push(...(await stream.score(tokens.subarray(start, start + size))));
      const values: number[] = [];
      for (let token = 0; token < vocabulary; token += 1) values.push(-(await opened.nll(token)));
      predictions.push({ row: nlls.length, values });
    }
    const tail = trace();
    // The row before a token predicts it; the last row of each place predicts what would come.
    const first = tail.rows - BUDGET - 1;
    const asked = Array.from({ length: BUDGET + 1 }, (_, index) => first + index);
    const field = receptiveField(reference, tail.trace, asked);
    const expected = maskedForward(reference, field.trace, field.rows);
    const differences = nlls.map((nll, index) =>
      Math.abs(nll + (expected[index]?.[tokens[count - BUDGET + index] ?? 0] ?? NaN)),
    );
    const errors = predictions.map(({ row, values }) => predictionError(values, expected[row] ?? []));
    return {
      means:
        "the masked forward pass of the reference backend over the rows that these can depend on; error: ‖Δ‖ / ‖logits‖ over the vocabulary, mean-centred",
      rowsReplayed: field.trace.tokens.length,
      predictions: { compared: errors.length, largestError: round(Math.max(...errors)) },
      nlls: { compared: differences.length, largestDifferenceNats: round(Math.max(...differences)) },
    };
  }
} finally {
  await model.dispose();
  await rm(folder, { recursive: true, force: true });
}
