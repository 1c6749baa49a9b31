/**
 * The same tokens and the same policy, fed in chunks of 1, 7, 16 and all at once: are the cells the same, and how far do the
 * log-likelihoods differ? With `--float32` the model in the box, its weights, keys and values in F32.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { openStream } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";
import { toFloat32 } from "@kvpolicy/tiny-models/testing";

import { loadNamedModel, readTokens, THREADS, writeResults } from "./shared.js";

const isFloat32 = process.argv.includes("--float32");
const count = 1024;
const policy = sinkWindow({ sinks: 4, window: 124, stride: 8 });

await using loaded = await loadNamedModel(isFloat32 ? fileURLToPath(tinyModels.sink.url) : undefined);
const folder = await mkdtemp(join(tmpdir(), "kvpolicy-"));
try {
  let { model } = loaded;
  if (isFloat32) {
    const modelPath = join(folder, "float32.gguf");
    await writeFile(modelPath, toFloat32(await readFile(tinyModels.sink.url)));
    model = await model.llama.loadModel({ modelPath });
  }
  const tokens = await readTokens(model, count);
  const type = isFloat32 ? "F32" : "F16";
  const runs = [];
  for (const chunk of [1, 7, 16, count]) {
    await using stream = await openStream(model, {
      policy,
      keyType: type,
      valueType: type,
      threads: THREADS,
      onWarning: () => undefined,
    });
    const nlls = new Float64Array(count);
    for (let start = 0; start < count; start += chunk) {
      nlls.set(await stream.score(tokens.subarray(start, start + chunk)), start);
    }
    runs.push({ chunk, nlls, cells: [...stream.cells().positions], evictions: stream.stats.evictions });
  }
  const reference = runs.at(-1);
  const figures = runs.map(({ chunk, nlls, cells, evictions }) => {
    const differences = Array.from(nlls, (nll, index) =>
      Math.abs(nll - (reference?.nlls[index] ?? NaN)),
    ).filter(Number.isFinite);
    return {
      chunk,
      evictions,
      sameCells: JSON.stringify(cells) === JSON.stringify(reference?.cells),
      meanDifference: differences.reduce((sum, value) => sum + value, 0) / differences.length,
      largestDifference: Math.max(...differences),
    };
  });
  const weights = isFloat32 ? "F32" : "as in the file";
  await writeResults("chunks", loaded, { tokens: count, weights, keysAndValues: type, runs: figures });
} finally {
  await rm(folder, { recursive: true, force: true });
}
