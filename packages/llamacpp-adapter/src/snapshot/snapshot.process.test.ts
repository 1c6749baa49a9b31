import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { tinyModels } from "@kvpolicy/tiny-models";
import { toFloat32 } from "@kvpolicy/tiny-models/testing";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { afterAll, beforeAll, expect, test } from "vitest";

import { killSaves } from "../../testing/snapshot-kills.js";

let root: string;
let folder: string;
let modelPath: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "kvpolicy-kills-"));
  folder = join(root, "saved");
  await mkdir(folder);
  // Weights in F32: a batch cut in another way must not round in another way.
  modelPath = join(root, "float32.gguf");
  await writeFile(modelPath, toFloat32(await readFile(tinyModels.sink.url)));
});
afterAll(() => rm(root, { recursive: true }));

test("ten kills in the middle of saving leave a whole snapshot each, which another process goes on from", async () => {
  const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath });
  const path = join(folder, "stream.kv");
  const report = await killSaves({
    model,
    modelPath,
    path,
    kills: 10,
    execArgv: [],
    random: Math.random,
  });
  await llama.dispose();
  expect(report.problems).toEqual([]);
  expect(report.position).toBeGreaterThan(50);
  // What the last child left is all that there may be.
  expect((await readdir(folder)).length).toBeLessThanOrEqual(2);
});

test("what is copied back in the middle of a write is refused", async () => {
  const path = join(folder, "stream.kv");
  const whole = await readFile(path);
  await writeFile(path, whole.subarray(0, whole.length >> 1));
  const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath });
  await expect(
    killSaves({ model, modelPath, path, kills: 1, execArgv: [], random: () => 0 }),
  ).resolves.toMatchObject({ torn: 1 });
  await llama.dispose();
});
