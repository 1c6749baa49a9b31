import type { Surroundings } from "../results/header.js";
import { formatMebibytes } from "./numbers.js";

/** Model, machine and versions, for the record. */
export function describeSurroundings({
  model,
  machine,
  versions,
  engine,
}: Surroundings): (readonly [string, string])[] {
  return [
    [
      "model",
      `${model.name}, ${formatMebibytes(model.bytes)} MiB, trained on ${model.trainedLength ?? "an unknown number of"} positions, SHA-256 ${model.sha256}`,
    ],
    ["cached keys and values", `${engine.keyType}, ${engine.valueType}`],
    ["threads", engine.threads === null ? "the engine's choice" : String(engine.threads)],
    [
      "machine",
      `${machine.processor}, ${machine.cores} cores, ${formatMebibytes(machine.memoryBytes)} MiB, ${machine.platform} ${machine.architecture}, computing on ${machine.device}`,
    ],
    [
      "versions",
      `kvpolicy ${versions.kvpolicy}, node-llama-cpp ${versions.nodeLlamaCpp}, Node ${versions.node}`,
    ],
  ];
}
