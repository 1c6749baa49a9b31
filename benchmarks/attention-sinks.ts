/**
 * How much of its attention a model gives to the first cell, layer by layer (StreamingLLM, figure 2), as the reference backend
 * computes it: the mean over heads and over the tokens of several stretches of text.
 */
import { loadModel, ReferenceBackend } from "@kvpolicy/reference-backend";

import { loadNamedModel, readTokens, round, writeResults } from "./shared.js";

const STRETCHES = 4;
const LENGTH = 256;
/** The first tokens of a stretch have few cells to choose from, and give the first a large share whatever they do. */
const FROM = 64;

await using loaded = await loadNamedModel();
const model = await loadModel(loaded.path);
const text = await readTokens(loaded.model, STRETCHES * LENGTH);

const { bos, shouldPrependBosToken } = loaded.model.tokens;
const front = shouldPrependBosToken && bos !== null ? [bos] : [];

const { heads } = model.shape;
/** Sum of the shares of cell 0, cells 0 to 3 and the token itself, [layers][heads]. */
const sums = model.layers.map(() =>
  Array.from({ length: heads }, () => ({ first: 0, firstFour: 0, own: 0 })),
);
let queries = 0;
for (let stretch = 0; stretch < STRETCHES; stretch += 1) {
  const backend = new ReferenceBackend(model, { capacity: LENGTH });
  backend.onAttention(({ layer, firstCell, probabilities }) => {
    probabilities.forEach((rows, head) => {
      rows.forEach((row, token) => {
        const cell = firstCell + token;
        if (cell < FROM) return;
        if (layer === 0 && head === 0) queries += 1;
        const sum = sums[layer]![head]!;
        sum.first += row[0]!;
        sum.firstFour += row[0]! + row[1]! + row[2]! + row[3]!;
        sum.own += row[cell]!;
      });
    });
  });
  const part = text.subarray(stretch * LENGTH, (stretch + 1) * LENGTH);
  // A model that was trained with a beginning-of-sequence token has its sink there.
  await backend.decode(Uint32Array.of(...front, ...part).subarray(0, LENGTH));
}

const layers = sums.map((perHead, layer) => {
  const mean = (share: (one: (typeof perHead)[number]) => number): number =>
    round(perHead.reduce((sum, one) => sum + share(one), 0) / (heads * queries));
  return {
    layer,
    firstCell: mean((one) => one.first),
    firstFourCells: mean((one) => one.firstFour),
    ownCell: mean((one) => one.own),
    heads: perHead.map((one) => Number((one.first / queries).toFixed(3))),
  };
});
await writeResults("attention-sinks", loaded, {
  stretches: STRETCHES,
  ...(front.length > 0 && { bos: true }),
  length: LENGTH,
  from: FROM,
  queries,
  uniform: round(
    Array.from({ length: LENGTH - FROM }, (_, index) => 1 / (FROM + index + 1)).reduce((a, b) => a + b) /
      (LENGTH - FROM),
  ),
  layers,
});
