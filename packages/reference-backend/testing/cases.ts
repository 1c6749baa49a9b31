import { loadModel, type ReferenceModel } from "../src/index.js";
import { randomModel, type RandomModelOptions } from "../src/testing.js";

/** One random model for each way in which architectures differ. */
export const cases: readonly (RandomModelOptions & { readonly name: string })[] = [
  { name: "llama", architecture: "llama" },
  { name: "llama, heads that share keys", architecture: "llama", layers: 3, heads: 6, keyValueHeads: 2 },
  { name: "llama, tied output", architecture: "llama", layers: 1, tiedOutput: true, headSize: 8 },
  { name: "gptneox", architecture: "gptneox", rotated: 8 },
  { name: "gptneox, one after the other", architecture: "gptneox", parallelResidual: false },
  { name: "falcon", architecture: "falcon" },
  { name: "falcon, two norms", architecture: "falcon", keyValueHeads: 2, secondNorm: true },
  { name: "mpt", architecture: "mpt" },
  { name: "mpt, heads that are no power of two, biases", architecture: "mpt", heads: 6, biases: true },
  { name: "mimo2, sink logits of 0", architecture: "mimo2", attentionSinks: 0 },
  { name: "mimo2, random sink logits", architecture: "mimo2", attentionSinks: "random", layers: 3 },
];

/** The model of a case, in memory. */
export function loadCase(options: RandomModelOptions): Promise<ReferenceModel> {
  return loadModel(randomModel({ vocabularySize: 300, ...options }));
}
