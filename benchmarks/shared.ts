import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";

import { tinyModels } from "@kvpolicy/tiny-models";
import { getModuleVersion, type LlamaModel } from "node-llama-cpp";

import { gpuSchema } from "../packages/cli/src/load-llama.js";
import { loadModel, TINY, type LoadedModel } from "../packages/cli/src/load-model.js";
import { loadText } from "../packages/cli/src/load-text.js";

/** Threads of every context here: one is the steadiest on a machine that is shared, and the ratios are what counts. */
export const THREADS = 1;

/** The model that the first argument or `KVPOLICY_MODEL` names, else the one in the box. */
export function loadNamedModel(
  name = argument(2) ?? process.env["KVPOLICY_MODEL"] ?? "tiny:sink",
): Promise<LoadedModel> {
  return loadModel(name, {
    quiet: true,
    signal: new AbortController().signal,
    gpu: gpuSchema.parse(flag("gpu") ?? "auto"),
  });
}

/** The value of a flag `--name=value` of the command line. */
export function flag(name: string): string | undefined {
  return process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
}

/** A positional argument of the command line; 2 is the first. */
export function argument(index: number): string | undefined {
  return process.argv.filter((word) => !word.startsWith("--"))[index];
}

/** The first tokens of Moby Dick, from its beginning again when the book is too short. */
export async function readTokens(model: LlamaModel, count: number): Promise<Uint32Array> {
  const { text } = await loadText(undefined);
  const book = model.tokenize(text.slice(0, count * 8));
  return Uint32Array.from({ length: count }, (_, index) => book[index % book.length] ?? 0);
}

/** Milliseconds that a task took. */
export async function time(task: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await task();
  return performance.now() - start;
}

/** Four significant figures are more than any of these measurements can bear. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** Prints figures and writes them to `benchmarks/results/`, with what is needed to run them again. */
export async function writeResults(benchmark: string, loaded: LoadedModel, figures: object): Promise<void> {
  const tiny = Object.values(tinyModels).find(({ sha256 }) => sha256 === loaded.sha256);
  const named = tiny ? `${TINY}${tiny.name}` : `path/to/${loaded.name}`;
  const flags = process.argv.slice(2).filter((word) => word.startsWith("--"));
  const others = process.argv.slice(3).filter((word) => !word.startsWith("--"));
  // The model in the box goes without saying, unless another argument follows it.
  const words = [...(tiny === tinyModels.sink && others.length === 0 ? [] : [named]), ...others, ...flags];
  const name = [
    benchmark,
    loaded.name.replace(/\.gguf$/, ""),
    ...flags.map((word) => word.slice(2).replace("=", "-")),
  ].join("-");
  await writeFigures(name, [`${benchmark}.ts`, ...words], {
    device: loaded.device,
    model: { name: loaded.name, sha256: loaded.sha256 },
    ...(loaded.disclosure !== null && { disclosure: loaded.disclosure }),
    figures,
  });
}

/** The same for a script that takes no model: `words` are what follows the folder on its command line. */
export async function writeFigures(name: string, words: readonly string[], results: object): Promise<void> {
  const file = new URL(`results/${name}.json`, import.meta.url);
  const content = {
    command: `npx tsx --conditions @kvpolicy/source benchmarks/${words.join(" ")}`,
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    nodeLlamaCpp: await getModuleVersion(),
    threads: THREADS,
    processor: `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}`,
    ...results,
  };
  await mkdir(new URL("results/", import.meta.url), { recursive: true });
  await writeFile(fileURLToPath(file), `${JSON.stringify(content, null, 2)}\n`);
  console.log(JSON.stringify(results, null, 2));
}
