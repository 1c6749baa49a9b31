/**
 * What a kill does to a snapshot, and what saving and restoring cost. A child saves a stream in a loop and is killed (SIGKILL) at a
 * random moment; the snapshot is then restored in a fresh stream and held against one that was never interrupted: stream position,
 * cells and predictions. Torn are those that cannot be restored or hold something else.
 *
 * Times are medians of a full cache of the model in the box (256 cells) and of the model that `KVPOLICY_MODEL` names (1,024 cells).
 */
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { quantiles } from "@kvpolicy/bench";
import { openStream, type CacheType } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";
import { toFloat32 } from "@kvpolicy/tiny-models/testing";

import { killSaves } from "../packages/llamacpp-adapter/testing/snapshot-kills.js";
import { loadNamedModel, readTokens, round, THREADS, time, writeFigures } from "./shared.js";

const KILLS = 100;
const REPEATS = 9;

/** Medians of saving and restoring a full cache. */
async function measure(name: string, budget: number, type: CacheType, folder: string): Promise<object> {
  await using loaded = await loadNamedModel(name);
  const { model } = loaded;
  const path = join(folder, "measured.kv");
  const options = { policy: sinkWindow(), threads: THREADS };
  await using stream = await openStream(model, { ...options, budget, keyType: type, valueType: type });
  await stream.append(await readTokens(model, budget + budget / 4));
  // The first save reads samples of the model's file and loads what the others have ready.
  const firstSave = await time(() => stream.save(path));
  const saves = [];
  const restores = [];
  for (let repeat = 0; repeat < REPEATS; repeat += 1) {
    saves.push(await time(() => stream.save(path)));
    const fresh = await time(async () => {
      await (await openStream(model, { ...options, budget, keyType: type, valueType: type })).dispose();
    });
    const restored = await time(async () => {
      await (await openStream(model, { ...options, restore: path })).dispose();
    });
    restores.push(restored - fresh);
  }
  const median = (times: readonly number[]): number => round(quantiles(times, [0.5])[0] ?? NaN);
  return {
    model: loaded.name,
    cells: stream.length,
    type,
    fileBytes: (await stat(path)).size,
    firstSaveMilliseconds: round(firstSave),
    saveMilliseconds: median(saves),
    restoreMilliseconds: median(restores),
  };
}

const folder = await mkdtemp(join(tmpdir(), "kvpolicy-kills-"));
try {
  await mkdir(join(folder, "saved"));
  // Weights in F32: a batch cut in another way must not round in another way.
  const modelPath = join(folder, "float32.gguf");
  await writeFile(modelPath, toFloat32(await readFile(tinyModels.sink.url)));
  await using loaded = await loadNamedModel(modelPath);
  const report = await killSaves({
    model: loaded.model,
    modelPath,
    path: join(folder, "saved", "stream.kv"),
    kills: KILLS,
    execArgv: process.execArgv,
    random: Math.random,
    onKill: (kill, phase) => {
      if (kill % 10 === 0) console.error(`${kill} of ${KILLS}: ${phase}`);
    },
  });
  const larger = process.env["KVPOLICY_MODEL"] ?? "";
  await writeFigures("snapshot-kills", ["snapshot-kills.ts"], {
    kills: {
      ...report,
      roundMilliseconds: round(report.roundMilliseconds),
      largestDifference: round(report.largestDifference),
    },
    costs: [
      await measure("tiny:sink", 256, "F16", folder),
      await measure("tiny:sink", 256, "F32", folder),
      ...(larger === "" ? [] : [await measure(larger, 1024, "F16", folder)]),
    ],
  });
} finally {
  await rm(folder, { recursive: true, force: true });
}
