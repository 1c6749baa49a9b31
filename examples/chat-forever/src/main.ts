import { stdin, stdout } from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { openChat } from "@kvpolicy/llamacpp-adapter";
import { pinned } from "@kvpolicy/pinned";
import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";
import { turnAligned } from "@kvpolicy/turn-aligned";
import { getLlama } from "node-llama-cpp";

const systemPrompt = "You are a friendly assistant who answers in a few short sentences.";
const [modelPath = fileURLToPath(tinyModels.sink.url)] = process.argv.slice(2);

const llama = await getLlama();
const model = await llama.loadModel({ modelPath });
const budget = Math.min(1024, model.trainContextSize);

const left: string[] = [];
await using chat = await openChat(model, {
  policy: pinned(turnAligned(sinkWindow())),
  systemPrompt,
  budget,
  onEvict: ({ exchanges }) => {
    for (const { number, tokensLeft } of exchanges)
      left.push(`${tokensLeft > 0 ? "a part of " : ""}exchange ${number + 1}`);
  },
});

const lines = createInterface({ input: stdin, ...(stdin.isTTY && { output: stdout }) });
lines.prompt();
for await (const message of lines) {
  await chat.prompt(message, { maxTokens: 120, onTextChunk: (text) => stdout.write(text) });
  const { length, position } = chat.stream;
  const what = left.splice(0).join(", ") || "nothing";
  console.log(`\n[${length} of ${budget} cells in use, ${position} tokens so far; left: ${what}]`);
  lines.prompt();
}
