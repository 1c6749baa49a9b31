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
import { openStream, type CacheType, type OpenStreamOptions } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";
import { toFloat32 } from "@kvpolicy/tiny-models/testing";

import { killSaves } from "../packages/llamacpp-adapter/testing/snapshot-kills.js";
import { loadNamedModel, readTokens, round, THREADS, time, writeFigures } from "./shared.js";

const KILLS = 100;
const REPEATS = 9;

const folder = await mkdtemp(join(tmpdir(), "kvpolicy-kills-"));

/** Medians of saving and restoring a full cache. */
async function measure(
  name: string | undefined,
  budget: number,
  type: CacheType,
): Promise<Record<string, unknown>> {
  await using loaded = await loadNamedModel(name);
  const { model } = loaded;
  const path = join(folder, "measured.kv");
  const options = { policy: sinkWindow(), threads: THREADS };
  const timeOpening = async (opening: OpenStreamOptions): Promise<number> => {
    const begin = performance.now();
    const opened = await openStream(model, opening);
    const milliseconds = performance.now() - begin;
    await opened.dispose();
    return milliseconds;
  };
  await using stream = await openStream(model, { ...options, budget, keyType: type, valueType: type });
  await stream.append(await readTokens(model, budget + budget / 4));
  // The first save reads samples of the model's file and loads what the others have ready.
  const firstSave = await time(() => stream.save(path));
  const saves = [];
  const openings = [];
  const restores = [];
  for (let repeat = 0; repeat < REPEATS; repeat += 1) {
    saves.push(await time(() => stream.save(path)));
    openings.push(await timeOpening({ ...options, budget, keyType: type, valueType: type }));
    restores.push(await timeOpening({ ...options, restore: path }));
  }
  const median = (times: readonly number[]): number => round(quantiles(times, [0.5])[0] ?? NaN);
  return {
    model: loaded.name,
    cells: stream.length,
    type,
    fileBytes: (await stat(path)).size,
    firstSaveMilliseconds: round(firstSave),
    saveMilliseconds: median(saves),
    openMilliseconds: median(openings),
    openAndRestoreMilliseconds: median(restores),
  };
}

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
const { problems, phases, ...figures } = report;
if (problems.length > 0) console.error(problems.join("\n"));

const times = [await measure("tiny:sink", 256, "F16"), await measure("tiny:sink", 256, "F32")];
if (process.env["KVPOLICY_MODEL"]) times.push(await measure(undefined, 1024, "F16"));

await rm(folder, { recursive: true });
await writeFigures("snapshot-kills", ["snapshot-kills.ts"], {
  model: loaded.name,
  kills: {
    ...figures,
    phases,
    largestDifference: round(figures.largestDifference),
    roundMilliseconds: round(figures.roundMilliseconds),
  },
  times,
});
if (report.torn > 0) process.exitCode = 1;
