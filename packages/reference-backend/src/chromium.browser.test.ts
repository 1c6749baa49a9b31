import { tinyModels } from "@kvpolicy/tiny-models";
import { beforeAll, expect, test } from "vitest";

import { EXPECTED, read, type Reading } from "../testing/reading.js";
import { loadModel } from "./index.js";

let blob: Blob;

beforeAll(async () => {
  blob = await (await fetch(tinyModels.sink.url)).blob();
});

function expectTheSame(reading: Reading): void {
  expect(reading).toEqual({ ...EXPECTED, meanNll: expect.closeTo(EXPECTED.meanNll, 9) as number });
}

test("a page reads a model from a URL as Node does", async () => {
  expectTheSame(await read(tinyModels.sink.url));
});

test("and from a Blob, and from bytes", async () => {
  expectTheSame(await read(blob));
  expectTheSame(await read(await blob.arrayBuffer()));
});

test("and a worker from bytes", async () => {
  const worker = new Worker(new URL("../testing/reading.worker.ts", import.meta.url), { type: "module" });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const reading = await new Promise<Reading>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Reading>) => {
      resolve(data);
    };
    worker.onerror = ({ message }) => {
      reject(new Error(message));
    };
    worker.postMessage(bytes);
  });
  worker.terminate();
  expectTheSame(reading);
});

test("what is no model is refused there too", async () => {
  await expect(loadModel(new Blob(["GGML, long ago"]))).rejects.toMatchObject({ code: "config" });
  await expect(loadModel(blob.slice(0, 100_000))).rejects.toMatchObject({ code: "config" });
  await expect(loadModel(new URL("nowhere.gguf", import.meta.url))).rejects.toMatchObject({ code: "config" });
});
