import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, expect, it, test } from "vitest";

import { readHeader } from "./gguf.js";
import { tinyModels } from "./index.js";

describe.each(Object.values(tinyModels))("the model $name", (model) => {
  it("is the file that the record describes", async () => {
    const file = await readFile(model.url);
    expect(file.byteLength).toBe(model.bytes);
    expect(createHash("sha256").update(file).digest("hex")).toBe(model.sha256);
  });

  it("has the number of parameters that the record states", async () => {
    const { tensors } = readHeader(await readFile(model.url));
    // mimo2 stores the tied embedding twice and fixed sink logits, which are not trained.
    const trained = tensors.filter(({ name }) => name !== "output.weight" && !name.includes("attn_sinks"));
    expect(trained.reduce((sum, { elements }) => sum + elements, 0)).toBe(model.parameters);
  });

  it("stays within four megabytes", () => {
    expect(model.bytes).toBeLessThanOrEqual(4 * 1024 * 1024);
  });

  it("discloses what was planted, or that nothing was, in the file itself", async () => {
    const file = await readFile(model.url);
    expect(file.includes(model.disclosure)).toBe(true);
  });

  it("was trained as the committed evidence says", async () => {
    const log = new URL(
      `../../../training/results/${model.name}/seed-${model.training.seed}-training.jsonl`,
      import.meta.url,
    );
    const lines = (await readFile(log, "utf8")).trim().split("\n");
    const [first, last] = [lines[0], lines.at(-1)].map((line) => JSON.parse(line ?? "{}") as unknown);
    expect(first).toMatchObject({
      seed: model.training.seed,
      parameters: model.parameters,
      shape: { context: model.contextLength, vocabulary: model.vocabularySize },
    });
    expect(last).toMatchObject({
      finished: true,
      steps: model.training.steps,
      tokens: model.training.tokens,
    });
  });
});

test("all models together stay within ten megabytes", () => {
  const bytes = Object.values(tinyModels).reduce((sum, model) => sum + model.bytes, 0);
  expect(bytes).toBeLessThanOrEqual(10 * 1024 * 1024);
});

test("a model is listed under its name", () => {
  expect(Object.entries(tinyModels).map(([name, model]) => [name, model.name])).toEqual(
    Object.keys(tinyModels).map((name) => [name, name]),
  );
});
