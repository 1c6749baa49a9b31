import type { Surroundings } from "../results/header.js";

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
    engine: { keyType: "F16", valueType: "F16", threads: null },
  };
}

/** A text for tests, and a seed. */
export const FAKE_TEXT = { text: { name: "A book", sha256: "b".repeat(64) }, seed: 1 };
