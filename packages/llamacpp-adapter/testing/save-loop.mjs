/**
 * Saves a stream in a loop until it is killed: `node save-loop.mjs MODEL SNAPSHOT`. It goes on from the snapshot when there is one. Says
 * `begin POSITION` before each save and `done POSITION` after it. The token at a stream position follows from the position.
 */
import { existsSync } from "node:fs";
import process from "node:process";

import { openStream } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [modelPath, snapshotPath] = process.argv.slice(2);
const say = (what, position) => process.stdout.write(`${what} ${position}\n`);

const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath });
const policy = sinkWindow({ sinks: 4, window: 252, stride: 16 });
const stream = await openStream(model, {
  policy,
  threads: 1,
  ...(existsSync(snapshotPath)
    ? { restore: snapshotPath }
    : { bos: false, keyType: "F32", valueType: "F32", seed: 1 }),
});
for (;;) {
  const { position } = stream;
  await stream.append(Array.from({ length: 5 }, (_, index) => 3 + (((position + index) * 37) % 900)));
  say("begin", stream.position);
  await stream.save(snapshotPath, { extra: { position: stream.position } });
  say("done", stream.position);
}
