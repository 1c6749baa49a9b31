import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { openStream } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";
import { getLlama } from "node-llama-cpp";

const PARAGRAPH = `The government of a free people must keep its promises. We have built roads and schools, we have opened our ports to
the trade of every nation, and we have paid what we owed. Still there is work to do, and the Congress will have before it, in this
session, the questions on which the welfare of the country depends.\n\n`;

const [modelPath = fileURLToPath(tinyModels.sink.url), textPath] = process.argv.slice(2);
const book = textPath === undefined ? PARAGRAPH.repeat(20) : await readFile(textPath, "utf8");

const llama = await getLlama();
const model = await llama.loadModel({ modelPath });

await using stream = await openStream(model, { policy: sinkWindow(), budget: 256 });
await stream.appendText(book);
for await (const { text } of stream.generate({ maxTokens: 200, temperature: 0.7 }))
  process.stdout.write(text);

const { position, length, budget, stats } = stream;
console.log(`\n\n${position} tokens in the stream, ${length} of ${budget} cells in use`);
console.log(`${stats.evictedTokens} tokens evicted in ${stats.evictions} evictions`);
