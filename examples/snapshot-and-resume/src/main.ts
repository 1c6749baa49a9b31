import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { openStream } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";
import { getLlama } from "node-llama-cpp";

const SNAPSHOT = "reading.kv";
const REPORT = `The government of a free people must keep its promises. We have built roads and schools, and we have paid what we owed.
Still there is work to do, and the Congress will have before it the questions on which the welfare of the country depends.`;

const [modelPath = fileURLToPath(tinyModels.sink.url), textPath] = process.argv.slice(2);
const text = textPath === undefined ? `${REPORT}\n\n`.repeat(50).trim() : await readFile(textPath, "utf8");
const paragraphs = text.split(/\n\s*\n/);

const llama = await getLlama();
const model = await llama.loadModel({ modelPath });
const restore = existsSync(SNAPSHOT) ? SNAPSHOT : undefined;
await using stream = await openStream(model, { policy: sinkWindow(), budget: 256, restore });

// How far it has read lies in the same file as the cells: a kill cannot part them.
const read = Number(stream.restored?.extra ?? 0);
if (restore) console.log(`goes on behind paragraph ${read}, at stream position ${stream.position}`);

for (const [index, paragraph] of paragraphs.entries()) {
  if (index < read) continue;
  await stream.appendText(`${paragraph}\n\n`);
  await stream.save(SNAPSHOT, { extra: index + 1 });
  console.log(
    `paragraph ${index + 1} of ${paragraphs.length} is saved, at stream position ${stream.position}`,
  );
}

const { length, budget, position } = stream;
console.log(`read to the end: ${position} tokens, ${length} of ${budget} cells in use`);
for await (const token of stream.generate({ maxTokens: 40 })) process.stdout.write(token.text);
console.log();
