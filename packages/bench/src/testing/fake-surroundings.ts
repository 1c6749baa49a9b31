import type { Surroundings } from "../results/schema.js";

/** Surroundings for tests of what is made of a measurement. */
export function fakeSurroundings(model: Partial<Surroundings["model"]> = {}): Surroundings {
  return {
    command: "kvpolicy stream --budget 16",
    versions: { kvpolicy: "0.0.0", nodeLlamaCpp: "3.22.1", node: "20.19.0" },
    machine: {
      platform: "linux",
      architecture: "x64",
      processor: "A processor",
      cores: 2,
      memoryBytes: 2 ** 33,
      device: "cpu",
    },
    model: {
      name: "model.gguf",
      sha256: "a".repeat(64),
      bytes: 1000,
      trainedLength: 100,
      disclosure: null,
      ...model,
    },
    text: { name: "A book", sha256: "b".repeat(64) },
    settings: { meanCells: null, keyType: "F16", valueType: "F16", threads: null, seed: 1 },
  };
}
