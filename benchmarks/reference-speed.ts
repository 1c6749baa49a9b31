/**
 * Speed of the reference backend on the model in the box (about a million parameters), in Node, on a page in Chromium and in
 * a worker there.
 */
import { tinyModels } from "@kvpolicy/tiny-models";
import { build } from "esbuild";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chromium as browserType } from "playwright";

import { chromium } from "../testing/chromium.js";
import { measureSpeed, type Speed } from "./pages/reference-speed.js";
import { round, writeFigures } from "./shared.js";

const BUDGET = 128;
const ROUNDS = 5;

const bytes = await readFile(tinyModels.sink.url);
const script = await bundle();
const browser = await browserType.launch({
  ...(chromium !== undefined && { executablePath: chromium }),
  args: ["--no-sandbox", "--disable-gpu"],
});
try {
  const page = await browser.newPage();
  const figures = {
    node: await repeat(() => measureSpeed(bytes, BUDGET)),
    chromium: await repeat(() =>
      page.evaluate(run, { script, model: bytes.toString("base64"), budget: BUDGET, inWorker: false }),
    ),
    chromiumWorker: await repeat(() =>
      page.evaluate(run, { script, model: bytes.toString("base64"), budget: BUDGET, inWorker: true }),
    ),
  };
  await writeFigures("reference-speed", ["reference-speed.ts"], {
    model: tinyModels.sink.name,
    parameters: tinyModels.sink.parameters,
    budget: BUDGET,
    rounds: ROUNDS,
    chromium: browser.version(),
    unit: "tokens per second, median of the rounds",
    figures,
  });
} finally {
  await browser.close();
}

/** Medians of several rounds; the first warms up and does not count. */
async function repeat(measure: () => Promise<Speed>): Promise<Speed> {
  await measure();
  const rounds: Speed[] = [];
  for (let count = 0; count < ROUNDS; count += 1) rounds.push(await measure());
  const median = (figure: keyof Speed): number =>
    round(rounds.map((one) => one[figure]).sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? NaN);
  return {
    loadMilliseconds: median("loadMilliseconds"),
    prefill: median("prefill"),
    decode: median("decode"),
  };
}

/** `measureSpeed` and all it needs as one script, which leaves it on `globalThis.speed`. */
async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("pages/reference-speed.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "speed",
    target: "es2022",
    conditions: ["@kvpolicy/source", "browser"],
    external: ["node:*", "fs", "fs/promises", "stream", "url"],
  });
  return outputFiles[0]?.text ?? "";
}

/** Runs on the page, so it must not refer to anything outside itself. */
async function run(given: {
  script: string;
  model: string;
  budget: number;
  inWorker: boolean;
}): Promise<Speed> {
  const { script, model, budget, inWorker } = given;
  const body = `${script}
    globalThis.measure = async (model, budget) => {
      const bytes = Uint8Array.from(atob(model), (character) => character.charCodeAt(0));
      return speed.measureSpeed(bytes, budget);
    };`;
  if (!inWorker) {
    (0, eval)(body);
    return (globalThis as unknown as { measure: (model: string, budget: number) => Promise<Speed> }).measure(
      model,
      budget,
    );
  }
  const reply = "onmessage = async ({ data }) => postMessage(await measure(data.model, data.budget));";
  const worker = new Worker(URL.createObjectURL(new Blob([body, reply], { type: "text/javascript" })));
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Speed>) => {
      worker.terminate();
      resolve(data);
    };
    worker.onerror = ({ message }) => {
      reject(new Error(message));
    };
    worker.postMessage({ model, budget });
  });
}
