import { fileURLToPath } from "node:url";

import { contextShift } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";
import { getLlama } from "node-llama-cpp";

const TOKENS = 1000;
const [modelPath = fileURLToPath(tinyModels.sink.url)] = process.argv.slice(2);

const llama = await getLlama();
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: 256, threads: llama.cpuMathCores });
const sequence = context.getSequence({ contextShift: contextShift(sinkWindow()) });

const prompt = model.tokenize("To the Congress of the United States:", false, "trimLeadingSpace");
const { bos } = model.tokens;
const input = bos === null ? prompt : [bos, ...prompt];

let tokens = input.length;
let cells = 0;
let evicted = 0;
const evictions: number[] = [];
for await (const token of sequence.evaluate(input, { temperature: 0.7, yieldEogToken: true })) {
  process.stdout.write(model.detokenize([token]));
  tokens += 1;
  // Each turn of the loop evaluates one token: without an eviction there is one more cell in use than before.
  const left = cells + 1 - sequence.nextTokenIndex;
  if (cells > 0 && left > 0) {
    evicted += left;
    evictions.push(tokens);
  }
  cells = sequence.nextTokenIndex;
  if (tokens >= TOKENS) break;
}

console.log(`\n\ncells were evicted at tokens ${evictions.join(", ")}`);
console.log(`${tokens} tokens, ${cells} of ${sequence.contextSize} cells in use, ${evicted} evicted`);
await context.dispose();
