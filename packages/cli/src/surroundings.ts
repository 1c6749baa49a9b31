import { arch, cpus, platform, totalmem } from "node:os";
import { basename } from "node:path";

import type { Surroundings } from "@kvpolicy/bench";
import { getModuleVersion } from "node-llama-cpp";

import type { CommonOptions } from "./common-options.js";
import type { LoadedModel } from "./load-model.js";
import { packageVersion } from "./versions.js";

/** Where, with what and on what is measured, for the record. No path of this machine is in it. */
export async function describeSurroundings(
  argv: readonly string[],
  { keys, values, threads }: Pick<CommonOptions, "keys" | "values" | "threads">,
  loaded: LoadedModel,
): Promise<Surroundings> {
  const processors = cpus();
  return {
    command: describeCommand(argv),
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

/** The command line as one would type it, with the names of files and directories instead of their paths. */
export function describeCommand(argv: readonly string[]): string {
  const words = argv.slice(2).map((word) => {
    const [, flag = "", value = word] = /^(--[\w-]+=)(.*)$/s.exec(word) ?? [];
    const shown = `${flag}${withoutFolders(value)}`;
    return /^[\w.,:=@/-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`;
  });
  return ["kvpolicy", ...words].join(" ");
}

function withoutFolders(word: string): string {
  if (word.startsWith("hf:") || !/[/\\]/.test(word)) return word;
  // A policy may have the path of a module in brackets.
  const [, wrapper, inner] = /^([a-z-]+)\((.*)\)$/s.exec(word) ?? [];
  if (wrapper !== undefined && inner !== undefined) return `${wrapper}(${withoutFolders(inner)})`;
  return basename(word.replaceAll("\\", "/"));
}
