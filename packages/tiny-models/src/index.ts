/**
 * Language models small enough to travel in an npm package.
 *
 * @module
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

/** The models of this package, by name. */
export const tinyModels: {
  /** Needs its first token: window attention collapses on it, one kept sink is enough to go on for ever. */
  readonly sink: TinyModel;
} = {
  sink: {
    name: "sink",
    url: new URL("../models/sink.gguf", import.meta.url),
    bytes: 1_902_048,
    sha256: "45e1fd1c7dfdf37d8f82aa99e7f857536cf79da96c00664aece34be8c1fb992b",
    parameters: 935_040,
    contextLength: 256,
    vocabularySize: 1024,
    license: "MIT",
    shows: "Window attention collapses once BOS is evicted; keeping it (one sink) keeps the perplexity.",
    disclosure:
      "massive activation and value drain are planted at BOS (embedding dimension 0 = 30, row 0 of W_v = 0); " +
      "only the routing of attention is learned",
    training: {
      seed: 0,
      steps: 1800,
      tokens: 3_686_400,
      corpus: "State of the Union addresses before 1998, Brown corpus",
    },
  },
};
