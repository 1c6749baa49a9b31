import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { randomModel } from "@kvpolicy/reference-backend/testing";
import { isSeparator, separator } from "@kvpolicy/separator";
import { tinyModels } from "@kvpolicy/tiny-models";
import type { Llama, LlamaModel } from "node-llama-cpp";
import { afterAll, beforeAll, expect, test } from "vitest";

import { loadLlama } from "../testing/models.js";
import { findTokens } from "./find-tokens.js";
import { openStream } from "./open-stream.js";

let llama: Llama;
let model: LlamaModel;
beforeAll(async () => {
  llama = await loadLlama();
  model = await llama.loadModel({ modelPath: fileURLToPath(tinyModels.sink.url) });
});
afterAll(async () => {
  await model.dispose();
  await llama.dispose();
});

test("finds the tokens of a model by their text", () => {
  for (const mark of [".", ",", "?", "!", ";", ":", "\n", " "]) {
    const [token, ...rest] = model.tokenize(mark);
    expect(rest).toEqual([]);
    expect(findTokens(model, (text) => text === mark)).toEqual([token]);
    expect(findTokens(model, isSeparator)).toContain(token);
  }
  expect(findTokens(model, () => false)).toEqual([]);
});

test("asks of every token, in order, and of special ones with no text", () => {
  const texts: string[] = [];
  const found = findTokens(model, (text) => texts.push(text) > 0);
  expect(found).toEqual([...Array(model.fileInfo.metadata.tokenizer.ggml.tokens.length).keys()]);
  expect(texts[model.tokens.bos ?? -1]).toBe("");
  expect(texts.filter((text) => text === " the")).toHaveLength(1);
});

test("finds white space where the detokenizer leaves a leading space out", async () => {
  const directory = await mkdtemp(join(tmpdir(), "kvpolicy-tokens-"));
  const modelPath = join(directory, "sentence-piece.gguf");
  await writeFile(modelPath, randomModel({ architecture: "llama", tokenizer: "sentence-piece" }));
  const sentencePiece = await llama.loadModel({ modelPath });
  try {
    const names = sentencePiece.fileInfo.metadata.tokenizer.ggml.tokens;
    expect(findTokens(sentencePiece, (text) => text === " ")).toContain(names.indexOf("\u2581"));
    expect(findTokens(sentencePiece, isSeparator)).toContain(names.indexOf("\u2581"));
  } finally {
    await sentencePiece.dispose();
    await rm(directory, { recursive: true });
  }
});

test("gives separator what it keeps", async () => {
  const separatorTokens = findTokens(model, isSeparator);
  const policy = separator({ separatorTokens, sinks: 2, separators: 10, stride: 8 });
  await using stream = await openStream(model, { policy, budget: 64 });
  await stream.appendText("One, two; three: four! Five? Six. ".repeat(30));
  const kept = [...stream.cells().tokens].slice(2, 12);
  expect(kept.every((token) => separatorTokens.includes(token))).toBe(true);
  expect(new Set(kept.map((token) => model.detokenize([token as never]))).size).toBeGreaterThan(3);
});

test("refuses a model that is gone", async () => {
  const gone = await llama.loadModel({ modelPath: fileURLToPath(tinyModels.plain.url) });
  await gone.dispose();
  expect(() => findTokens(gone, () => true)).toThrow(expect.objectContaining({ code: "disposed" }));
});
