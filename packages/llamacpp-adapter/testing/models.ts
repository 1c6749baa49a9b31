import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { tinyModels } from "@kvpolicy/tiny-models";
import { toFloat32 } from "@kvpolicy/tiny-models/testing";
import { getLlama, LlamaLogLevel, type Llama, type LlamaGpuType, type LlamaModel } from "node-llama-cpp";

/** The model in the box, as it is (F16). */
export const tinyModelPath = fileURLToPath(tinyModels.sink.url);

/** llama.cpp on the CPU, or on the GPU that `KVPOLICY_GPU` names (`cuda`, `metal`, `vulkan`), with the prebuilt binary. */
export async function loadLlama(): Promise<Llama> {
  const gpu = (process.env["KVPOLICY_GPU"] ?? "") as Exclude<LlamaGpuType, false> | "";
  const llama = await getLlama({
    gpu: gpu === "" ? false : gpu,
    build: "never",
    logLevel: LlamaLogLevel.error,
  });
  if (gpu === "" || llama.gpu === gpu) return llama;
  throw new Error(`KVPOLICY_GPU asks for ${gpu}, and llama.cpp computes with ${String(llama.gpu)}`);
}

/** A folder of its own for a test file. */
export async function createTemporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "kvpolicy-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** The model in the box with F32 weights. */
export async function loadFloat32Model(llama: Llama, folder: string): Promise<LlamaModel> {
  const modelPath = join(folder, "float32.gguf");
  await writeFile(modelPath, toFloat32(await readFile(tinyModelPath)));
  return llama.loadModel({ modelPath });
}

/** Prose of the project's own, a few thousand tokens long in the tiny model's vocabulary. */
export function sampleText(words: number): string {
  const lines = [
    "The harbour was quiet when the old boat came in, and nobody on the pier asked where she had been.",
    "In the year 1871 the committee sent 42 letters; only seven of them were ever answered.",
    "He had promised to keep the accounts, to mend the nets, and to say nothing about the storm.",
    "It is the duty of the government to look after the roads, the schools and the common purse.",
    "She laughed, put down the lamp, and told them the story from the beginning once more.",
    "Rain fell on the fields for nine days, and on the tenth the river took the bridge away.",
    "What the captain wanted was a steady wind; what he got was fog, and a crew that would not sing.",
  ];
  const picked: string[] = [];
  for (let count = 0, line = 0; count < words; line += 1) {
    const text = lines[(line * 3 + Math.floor(line / 7)) % lines.length] ?? "";
    picked.push(text);
    count += text.split(" ").length;
  }
  return picked.join("\n");
}
