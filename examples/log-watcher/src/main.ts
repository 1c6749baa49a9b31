import { stdin, stdout } from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { openStream } from "@kvpolicy/llamacpp-adapter";
import { pinned } from "@kvpolicy/pinned";
import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";
import { getLlama } from "node-llama-cpp";

const LINES_A_COMMENT = 500;
const INSTRUCTIONS =
  "This is the log of a server. A line that begins with # says in a few words what happened.\n\n";

const [modelPath = fileURLToPath(tinyModels.sink.url)] = process.argv.slice(2);
const llama = await getLlama();
const model = await llama.loadModel({ modelPath });
const budget = Math.min(1024, model.trainContextSize);

await using stream = await openStream(model, { policy: pinned(sinkWindow()), budget });
await stream.appendText(INSTRUCTIONS);
stream.mark("pinned", { start: 0, end: stream.position });

const stop = new AbortController();
process.once("SIGINT", () => {
  stop.abort();
});

let count = 0;
// While the model reads, no line is taken, and the pipe waits.
for await (const line of createInterface({ input: stdin, signal: stop.signal })) {
  if (stop.signal.aborted) break;
  count += 1;
  await stream.appendText(`${line}\n`);
  if (/\bERROR\b/.test(line) || count % LINES_A_COMMENT === 0) await comment();
}
console.log(`${count} lines, ${stream.position} tokens, ${stream.length} of ${budget} cells in use`);

/**
 * The comment stays in the stream. To truncate it away would be no undo, because what was evicted while it was written does not come
 * back; and so the model sees what it has said already.
 */
async function comment(): Promise<void> {
  stdout.write(`line ${count}, ${stream.length} of ${budget} cells in use: `);
  await stream.appendText("#");
  for await (const { text } of stream.generate({ maxTokens: 30, temperature: 0.7 })) {
    stdout.write(text.replaceAll("\n", " "));
    if (text.includes("\n")) break;
  }
  stdout.write("\n");
  await stream.appendText("\n");
}
