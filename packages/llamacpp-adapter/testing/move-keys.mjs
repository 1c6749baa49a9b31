// Moves cached keys of a model by node-llama-cpp's own calls, without a gate: `node move-keys.mjs MODEL KEY-TYPE`. Some models end the
// process there. Says "decoded" when the cells are in place and "moved" when nothing happened.
import process from "node:process";

import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [, , modelPath, keyType] = process.argv;
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.disabled });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({
  contextSize: 64,
  threads: 1,
  flashAttention: false,
  experimentalKvCacheKeyType: keyType,
});
const sequence = context.getSequence();
const tokens = Array.from({ length: 24 }, (_, index) => 3 + index);
await sequence.evaluateWithoutGeneratingNewTokens(tokens);
process.stdout.write("decoded\n");
const { _ctx: addon } = context;
addon.removeTokenCellsFromSequence(sequence._sequenceId, 4, 8);
addon.shiftSequenceTokenCells(sequence._sequenceId, 8, -1, -4);
addon.initBatch(1);
addon.addToBatch(sequence._sequenceId, 20, Uint32Array.of(3), Uint32Array.of(0));
await addon.decodeBatch();
process.stdout.write("moved\n");
process.exit(0);
