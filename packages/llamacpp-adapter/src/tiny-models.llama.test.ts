import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";
import { windowOverSinks } from "@kvpolicy/tiny-models/testing";
import { window } from "@kvpolicy/window";
import type { Llama } from "node-llama-cpp";
import { afterAll, beforeAll, expect, test } from "vitest";

import { loadLlama } from "../testing/models.js";
import { openStream } from "./open-stream.js";

let llama: Llama;
beforeAll(async () => {
  llama = await loadLlama();
});
afterAll(() => llama.dispose());

/** Two stretches of the text that the trainer scored, BOS in front of the first. */
async function readTokens(name: string, url: URL): Promise<{ tokens: number[]; second: number }> {
  const file = await readFile(new URL(`../fixtures/${name}.jsonl`, new URL(".", url)), "utf8");
  const [first = [], second = []] = file
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly kind: string; readonly tokens: readonly number[] })
    .filter(({ kind }) => kind === "scored")
    .map(({ tokens }) => tokens);
  return { tokens: [...first, ...second.slice(1)], second: first.length };
}

test.each(Object.values(tinyModels))(
  "$name needs its first token as much as it should",
  async ({ name, url }) => {
    const { tokens, second } = await readTokens(name, url);
    const model = await llama.loadModel({ modelPath: fileURLToPath(url) });
    const means = [];
    for (const policy of [window({ stride: 1 }), sinkWindow({ stride: 1 })]) {
      await using stream = await openStream(model, { policy, budget: 96, bos: false });
      const nlls = (await stream.score(tokens)).subarray(second);
      means.push(nlls.reduce((sum, nll) => sum + nll, 0) / nlls.length);
    }
    await model.dispose();
    const ratio = Math.exp((means[0] ?? NaN) - (means[1] ?? NaN));
    const { atLeast, atMost } = windowOverSinks[name] ?? { atLeast: NaN, atMost: NaN };
    expect(ratio).toBeGreaterThanOrEqual(atLeast);
    expect(ratio).toBeLessThanOrEqual(atMost);
  },
);
