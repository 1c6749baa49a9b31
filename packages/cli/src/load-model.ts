import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";

import { checkModelFile } from "@kvpolicy/llamacpp-adapter";
import { tinyModels } from "@kvpolicy/tiny-models";
import { resolveModelFile, type LlamaModel } from "node-llama-cpp";

import { loadLlama, type Gpu } from "./load-llama.js";
import { badOption } from "./report-error.js";

/** A loaded model and what the results say about it. */
export interface LoadedModel extends AsyncDisposable {
  /** The model. */
  readonly model: LlamaModel;
  /** Its name; no path. */
  readonly name: string;
  /** Where the file is. */
  readonly path: string;
  /** SHA-256 of the file. */
  readonly sha256: string;
  /** Size of the file. */
  readonly bytes: number;
  /** What computes: `cpu`, `cuda`, `metal` or `vulkan`. */
  readonly device: string;
  /** The sentence that belongs beside every figure of the model, if there is one. */
  readonly disclosure: string | null;
}

/** What the names of the models in the box begin with on the command line. */
export const TINY = "tiny:";

/** How {@link loadModel} loads. */
export interface LoadOptions {
  /** Whether to show no download bar. */
  readonly quiet: boolean;
  /** Stops the loading. */
  readonly signal: AbortSignal;
  /** What computes. Defaults to `auto`. */
  readonly gpu?: Gpu | undefined;
}

/**
 * Loads the model.
 *
 * Source: a path, `hf:USER/REPO/FILE`, or `tiny:NAME` for one of `@kvpolicy/tiny-models`.
 *
 * @throws {KVPolicyError} `config` for a file that is missing, truncated or no GGUF, a name that no tiny model has, for a model
 * that cannot be fetched or that llama.cpp does not load, and for a `gpu` that the machine does not have.
 */
export async function loadModel(
  source: string,
  { quiet, signal, gpu = "auto" }: LoadOptions,
): Promise<LoadedModel> {
  const path = await findModel(source, quiet, signal);
  await checkModelFile(path);
  const [sha256, { size: bytes }] = await Promise.all([hashFile(path), stat(path)]);
  const tiny = Object.values(tinyModels).find((model) => model.sha256 === sha256);
  const llama = await loadLlama(gpu);
  try {
    const model = await llama.loadModel({ modelPath: path, loadSignal: signal });
    return {
      model,
      name: source.startsWith("hf:") ? source : basename(path),
      path,
      sha256,
      bytes,
      device: llama.gpu === false ? "cpu" : llama.gpu,
      disclosure: tiny?.disclosure ?? null,
      [Symbol.asyncDispose]: () => llama.dispose(),
    };
  } catch (cause) {
    await llama.dispose();
    if (signal.aborted) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `llama.cpp refuses the model file ${basename(path)}, which may be damaged: ${reason}.`;
    throw badOption("model", basename(path), message, cause);
  }
}

/**
 * The path of a model: of a file, of one of `@kvpolicy/tiny-models`, or of a download.
 *
 * @throws {KVPolicyError} `config` for a name that no tiny model has and for a model that cannot be fetched.
 */
export async function findModel(source: string, quiet: boolean, signal: AbortSignal): Promise<string> {
  if (source.startsWith(TINY)) return findTinyModel(source);
  if (!source.startsWith("hf:")) return source;
  try {
    return await resolveModelFile(source, { cli: !quiet, signal });
  } catch (cause) {
    if (signal.aborted) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw badOption("model", source, `The model ${source} cannot be fetched: ${reason}.`, cause);
  }
}

function findTinyModel(source: string): string {
  const models = Object.values(tinyModels);
  const found = models.find(({ name }) => source === TINY + name);
  if (found) return fileURLToPath(found.url);
  const names = models.map(({ name }) => TINY + name).join(", ");
  throw badOption("model", source, `There is no model ${source}; these come along: ${names}.`);
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
