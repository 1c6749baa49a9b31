import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { tinyModels } from "@kvpolicy/tiny-models";
import { transform } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { readFences } from "./markdown.js";

/*
 * What the READMEs show under "Use", run as a reader would: with the packages as they are built, a model, and nothing else. What a
 * block declares as given is a global here.
 */

interface Run {
  /** Pages whose code runs in one process. */
  readonly pages: readonly string[];
  /** Which of a page's blocks of TypeScript, from 0. Defaults to the first. */
  readonly block?: number;
  /** What is given, as a module. */
  readonly given?: string;
  /** What is printed. */
  readonly prints: RegExp;
}

const BOOK = `globalThis.book = "The government of a free people must keep its promises. ".repeat(30);`;

const MODEL = `
import { getLlama } from "node-llama-cpp";
const llama = await getLlama({ gpu: false, build: "never" });
globalThis.model = await llama.loadModel({ modelPath: "model.gguf" });`;

const TEXTS = `
globalThis.instructions = "Keep your promises. ";
globalThis.systemPrompt = "You keep your promises.";
globalThis.contract = globalThis.book;`;

const RECORD = `
globalThis.sha256 = "0".repeat(64);
globalThis.surroundings = {
  command: "a test",
  versions: { kvpolicy: "0.0.0", nodeLlamaCpp: "0.0.0", node: "0.0.0" },
  machine: { platform: "linux", architecture: "x64", processor: "any", cores: 1, memoryBytes: 1, device: "cpu" },
  model: { name: "sink", sha256, bytes: 1, trainedLength: 256, disclosure: null },
  engine: { keyType: "F16", valueType: "F16", threads: 1 },
};`;

const policies = readdirSync("packages/policies").map((name) => `packages/policies/${name}/README.md`);

const runs: readonly Run[] = [
  { pages: ["README.md"], given: BOOK, prints: /\p{Letter}{2}/u },
  { pages: ["packages/llamacpp-adapter/README.md"], given: BOOK, prints: /\p{Letter}{2}/u },
  { pages: ["packages/reference-backend/README.md"], given: BOOK, prints: /\p{Letter}{2}/u },
  { pages: ["packages/core/README.md"], prints: /^13,14,15,16\n$/ },
  { pages: ["packages/conformance/README.md"], block: 1, prints: / fail 0$/m },
  { pages: ["packages/tiny-models/README.md"], prints: /^$/ },
  { pages: ["packages/bench/README.md"], given: BOOK + MODEL + RECORD, prints: /sink-window/ },
  { pages: policies, given: BOOK + MODEL + TEXTS, prints: /^$/ },
];

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-readme-"));
  await symlink(resolve("node_modules"), join(folder, "node_modules"));
  await cp(fileURLToPath(tinyModels.sink.url), join(folder, "model.gguf"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Writes a block of a page as a module, and answers its name. */
async function writeModule(page: string, block = 0): Promise<string> {
  const fence = readFences(await readFile(page, "utf8")).filter(({ info }) => info === "ts")[block];
  if (!fence) throw new Error(`${page} has no block ${block} of ts`);
  // A few tokens instead of all: llama.cpp's threads wait actively, which takes minutes where the cores are busy.
  const text = fence.lines.join("\n").replace(/maxTokens: \d+/, "maxTokens: 8");
  const { code } = await transform(text, { loader: "ts", format: "esm", target: "node20" });
  const name = `./${page.replaceAll(/\W/g, "-")}.mjs`;
  await writeFile(join(folder, name), code);
  return name;
}

describe.each(runs.map((run) => ({ ...run, name: run.pages.join(", ") })))(
  "the code of $name",
  ({ pages, block, given = "", prints }) => {
    test("runs", async () => {
      const modules = await Promise.all(pages.map((page) => writeModule(page, block)));
      const imports = modules.map((name) => `await import(${JSON.stringify(name)});`);
      await writeFile(join(folder, "run.mjs"), [given, ...imports].join("\n"));
      const { stdout } = await promisify(execFile)(process.execPath, ["run.mjs"], {
        cwd: folder,
        timeout: 170_000,
      });
      expect(stdout).toMatch(prints);
    });
  },
);
