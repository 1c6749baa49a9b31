import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { matchMeanCells } from "@kvpolicy/bench";
import { brokenLaws, policyLaws } from "@kvpolicy/conformance";
import { createStream, definePolicy } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { dense } from "@kvpolicy/dense";
import { dispersed } from "@kvpolicy/dispersed";
import { headTail } from "@kvpolicy/head-tail";
import { contextShift, openChat, openStream } from "@kvpolicy/llamacpp-adapter";
import { pinned } from "@kvpolicy/pinned";
import { recompute } from "@kvpolicy/recompute";
import { loadModel, openStream as openReferenceStream } from "@kvpolicy/reference-backend";
import { isSeparator, separator } from "@kvpolicy/separator";
import { sinkWindow } from "@kvpolicy/sink-window";
import { surprise } from "@kvpolicy/surprise";
import { tinyModels } from "@kvpolicy/tiny-models";
import { turnAligned } from "@kvpolicy/turn-aligned";
import { window } from "@kvpolicy/window";
import { getLlama } from "node-llama-cpp";

/*
 * What a reader of the README does, in a project of their own: this file is copied to one that has nothing but the packed packages.
 */

const BUDGET = 64;
const book = "We have built roads and schools, and we have paid what we owed. ".repeat(30);
const modelPath = fileURLToPath(tinyModels.sink.url);

export const fifo = definePolicy({
  name: "fifo",
  requires: ["reindex"],
  plan: ({ required }) => ({ evict: [{ start: 0, end: required }], survivors: "reuse" }),
});

const llama = await getLlama({ gpu: false });
const model = await llama.loadModel({ modelPath });

await readBeyondTheBudget();
await continueASnapshot();
await talk();
await dropIn();
await readInPlainTypeScript();
await tryEveryPolicy();
console.log("the consumer has read beyond the budget");

async function readBeyondTheBudget(): Promise<void> {
  await using stream = await openStream(model, { policy: sinkWindow(), budget: BUDGET, threads: 1 });
  await stream.appendText(book);
  let written = "";
  for await (const { text } of stream.generate({ maxTokens: 20, temperature: 0.7 })) written += text;
  assert.ok(written.length > 0, "nothing was generated");
  assert.ok(stream.position > 4 * BUDGET, "the text is too short to say anything");
  assert.ok(stream.stats.peakCells <= BUDGET, "more cells than the budget");
  const held = stream.position - stream.length - stream.stats.evictedTokens;
  assert.ok(held === 0 || held === 1, "tokens are neither in the cache nor evicted");
}

async function continueASnapshot(): Promise<void> {
  const path = join(process.cwd(), "story.kv");
  const policy = sinkWindow();
  await using stream = await openStream(model, { policy, budget: BUDGET, threads: 1 });
  await stream.appendText(book);
  await stream.save(path);
  await using continued = await openStream(model, { policy, restore: path, threads: 1 });
  assert.equal(continued.position, stream.position);
}

async function talk(): Promise<void> {
  const systemPrompt = "A story.";
  let heard = "";
  const onTextChunk = (text: string): void => {
    heard += text;
  };
  await using chat = await openChat(model, {
    policy: pinned(turnAligned(sinkWindow())),
    systemPrompt,
    budget: 4 * BUDGET,
    threads: 1,
  });
  const answer = await chat.prompt("Hi!", { onTextChunk, maxTokens: 8 });
  assert.equal(heard.trim(), answer.trim());
}

async function dropIn(): Promise<void> {
  const context = await model.createContext({ contextSize: 256, threads: 1 });
  const sequence = context.getSequence({ contextShift: contextShift(sinkWindow()) });
  await sequence.evaluateWithoutGeneratingNewTokens(model.tokenize(book).slice(0, 100));
  assert.equal(sequence.nextTokenIndex, 100);
  await context.dispose();
}

async function readInPlainTypeScript(): Promise<void> {
  await using stream = openReferenceStream(await loadModel(modelPath), { policy: fifo, budget: 16 });
  await stream.appendText(book.slice(0, 200));
  assert.ok(stream.stats.evictions > 0, "nothing was evicted");
}

async function tryEveryPolicy(): Promise<void> {
  const policies = [
    dense(),
    window(),
    recompute(),
    sinkWindow(),
    headTail(),
    separator({ separatorTokens: [0] }),
    dispersed(),
    surprise(),
    pinned(fifo),
    turnAligned(fifo),
  ];
  const capacity = 4 * BUDGET;
  for (const policy of policies) {
    await using stream = createStream({ backend: new FakeBackend({ capacity }), policy });
    await stream.append(Uint32Array.from({ length: capacity }, (_, index) => index % 7));
    assert.equal(stream.length, capacity, policy.name);
  }
  assert.ok(isSeparator("."));
  assert.deepEqual(await brokenLaws(policyLaws, { name: "fifo", create: () => fifo }), []);
  const tokens = Uint32Array.from({ length: 1000 }, (_, index) => index % 7);
  const { budget } = await matchMeanCells({ tokens, cells: 100, create: () => sinkWindow({ stride: 9 }) });
  assert.equal(budget, 104);
}
