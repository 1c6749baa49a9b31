import { arch, cpus, platform, totalmem } from "node:os";
import { basename } from "node:path";

import type { Surroundings } from "@kvpolicy/bench";
import { getModuleVersion } from "node-llama-cpp";

import { COMMON_DEFAULTS, type CommonOptions } from "./common-options.js";
import type { LoadedModel } from "./load-model.js";
import { packageVersion } from "./versions.js";

/**
 * Where, with what and on what is measured, for the record. No path of this machine is in it.
 *
 * `argv` is the command line; the model of the options stands in its record even where it is that of the environment.
 */
export async function describeSurroundings(
  argv: readonly string[],
  { model, keys, values, threads }: Pick<CommonOptions, "model" | "keys" | "values" | "threads">,
  loaded: LoadedModel,
): Promise<Surroundings> {
  const processors = cpus();
  return {
    command: describeCommand(argv, model),
    versions: {
      kvpolicy: packageVersion(),
      nodeLlamaCpp: await getModuleVersion(),
      node: process.versions.node,
    },
    machine: {
      platform: platform(),
      architecture: arch(),
      processor: processors[0]?.model.trim() ?? "unknown",
      cores: processors.length,
      memoryBytes: totalmem(),
      device: loaded.device,
    },
    model: {
      name: loaded.name,
      sha256: loaded.sha256,
      bytes: loaded.bytes,
      trainedLength: loaded.model.trainContextSize,
      disclosure: loaded.disclosure,
    },
    engine: { keyType: keys, valueType: values, threads: threads ?? null },
  };
}

/** What is said to a model: text, in which a slash parts no folders. */
const SAID = "--system";

/**
 * The command line as one would type it, with the names of files and directories instead of their paths.
 *
 * `model` is the one that was taken: it is added where the line names none and it is not the default, so that the environment named it.
 */
export function describeCommand(argv: readonly string[], model: string = COMMON_DEFAULTS.model): string {
  const given = argv.slice(2);
  const hasModel = model === COMMON_DEFAULTS.model || given.some((word) => /^--model(=|$)/.test(word));
  const words = hasModel ? given : [...given, "--model", model];
  const shown = words.map((word, index) => {
    if (words[index - 1] === SAID || word.startsWith(`${SAID}=`)) return word;
    const [, flag = "", value = word] = /^(--[\w-]+=)(.*)$/s.exec(word) ?? [];
    return `${flag}${withoutFolders(value)}`;
  });
  return ["kvpolicy", ...shown.map(quote)].join(" ");
}

/** A word as a shell takes it. */
function quote(word: string): string {
  return /^[\w.,:=@/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function withoutFolders(word: string): string {
  if (word.startsWith("hf:") || !/[/\\]/.test(word)) return word;
  // A policy may have the path of a module in brackets.
  const [, wrapper, inner] = /^([a-z-]+)\((.*)\)$/s.exec(word) ?? [];
  if (wrapper !== undefined && inner !== undefined) return `${wrapper}(${withoutFolders(inner)})`;
  return basename(word.replaceAll("\\", "/"));
}
