/**
 * Language models of two megabytes that show attention sinks and their absence, for demonstrations and tests without a
 * download.
 *
 * @module @kvpolicy/tiny-models
 */
/** A model file of this package, and what to know before showing its figures. */
export interface TinyModel {
  /** Short name, and the file's name without its extension. */
  readonly name: string;
  /** Where the GGUF file is: a `file:` URL in Node, an asset's URL behind a bundler. */
  readonly url: URL;
  /** Size of the file in bytes. */
  readonly bytes: number;
  /** SHA-256 of the file, in lower-case hexadecimal. */
  readonly sha256: string;
  /** Number of trained numbers. The tied embedding counts once. */
  readonly parameters: number;
  /** Longest stretch of tokens that the model was trained on, the leading BOS included. */
  readonly contextLength: number;
  /** Number of tokens in its vocabulary. */
  readonly vocabularySize: number;
  /** SPDX identifier of the file's licence. */
  readonly license: string;
  /** What the model is for, in one sentence. */
  readonly shows: string;
  /** The sentence that belongs beside every figure measured with the model. */
  readonly disclosure: string;
  /** How it was made. The recipe is in the folder `training` of the repository. */
  readonly training: TinyModelTraining;
}

/** How a model was trained. */
export interface TinyModelTraining {
  /** Seed of the initial weights and of the order of the text. */
  readonly seed: number;
  /** Optimizer steps. */
  readonly steps: number;
  /** Tokens seen in all steps together. */
  readonly tokens: number;
  /** The text it learned from. */
  readonly corpus: string;
}

const NUDGED =
  "massive activation and value drain are planted at BOS (embedding dimension 0 = 30, row 0 of W_v = 0); " +
  "only the routing of attention is learned";
const NOT_NUDGED = "nothing is planted: the initial weights are random";

/** What all models have in common. */
const COMMON = { contextLength: 256, vocabularySize: 1024, license: "MIT" } as const;
const CORPUS = "State of the Union addresses before 1998, Brown corpus";

/** The models of this package, by name. */
export const tinyModels: {
  /** Needs its first token: window attention collapses on it, one kept sink is enough to go on for ever. */
  readonly sink: TinyModel;
  /** The twin of `sink` without what was planted there: no sink forms, and window attention does not collapse. */
  readonly plain: TinyModel;
  /** The twin of `sink` with SoftMax-off-by-one in every head: window attention gets worse, and does not collapse. Architecture `mimo2` of llama.cpp. */
  readonly "zero-sink": TinyModel;
  /** Trained for long with nothing planted: a sink has formed by itself, and window attention is a little worse for it. */
  readonly natural: TinyModel;
} = {
  sink: {
    ...COMMON,
    name: "sink",
    url: new URL("../models/sink.gguf", import.meta.url),
    bytes: 1_902_048,
    sha256: "45e1fd1c7dfdf37d8f82aa99e7f857536cf79da96c00664aece34be8c1fb992b",
    parameters: 935_040,
    shows: "Window attention collapses once BOS is evicted; keeping it (one sink) keeps the perplexity.",
    disclosure: NUDGED,
    training: { seed: 0, steps: 1800, tokens: 3_686_400, corpus: CORPUS },
  },
  plain: {
    ...COMMON,
    name: "plain",
    url: new URL("../models/plain.gguf", import.meta.url),
    bytes: 1_902_048,
    sha256: "f9f5e5b3170a0d7c4270e5aae9589c477fa09ec0490892d6e54b25813344c86e",
    parameters: 935_040,
    shows: "No sink forms: window attention does not collapse, and kept first tokens do not help.",
    disclosure: NOT_NUDGED,
    training: { seed: 0, steps: 1800, tokens: 3_686_400, corpus: CORPUS },
  },
  "zero-sink": {
    ...COMMON,
    name: "zero-sink",
    url: new URL("../models/zero-sink.gguf", import.meta.url),
    bytes: 2_164_864,
    sha256: "43f5c4bd23b1c985e457ead10703e7c66bf452ff7d376149da2f8015506f256f",
    parameters: 935_040,
    shows:
      "SoftMax-off-by-one in every head: with the same nudge, window attention gets worse, and does not collapse.",
    disclosure: NUDGED,
    training: { seed: 0, steps: 1800, tokens: 3_686_400, corpus: CORPUS },
  },
  natural: {
    ...COMMON,
    name: "natural",
    url: new URL("../models/natural.gguf", import.meta.url),
    bytes: 564_448,
    sha256: "2653272378fca614f6a6606360833a497a6e7add0f630a0aefce9c14389b0a0b",
    parameters: 266_816,
    shows:
      "A sink at the first token that formed by itself: window attention gets a little worse, and does not collapse.",
    disclosure: NOT_NUDGED,
    training: { seed: 1, steps: 14_000, tokens: 28_672_000, corpus: CORPUS },
  },
};
