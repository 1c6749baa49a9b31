import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { ExperimentResults } from "@kvpolicy/bench";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { parseCommonOptions, type CommonOptions } from "../common-options.js";
import type { Laboratory } from "../experiment-command.js";
import { loadModel, type LoadedModel } from "../load-model.js";
import { createMeasuredModel } from "../measured-model.js";
import { describeSurroundings } from "../surroundings.js";
import { reproduceCommand } from "./reproduce.js";
import { createReproductionParts } from "./reproduction-parts.js";
import { soakCommand } from "./soak.js";

let loaded: LoadedModel;
let folder: string;
let common: CommonOptions;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-reproduce-"));
  common = parseCommonOptions({ out: folder, keys: "F16", values: "F16", gpu: "false", seed: "1" }, {});
  loaded = await loadModel("tiny:sink", { quiet: true, signal: new AbortController().signal, gpu: false });
});
afterAll(async () => {
  await loaded[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function createLaboratory(saved: ExperimentResults[] = []): Promise<Laboratory> {
  return {
    loaded,
    common,
    model: createMeasuredModel(loaded.model, common),
    surroundings: await describeSurroundings(["node", "kvpolicy", "reproduce"], common, loaded),
    save: (results) => {
      saved.push(results);
      return Promise.resolve();
    },
  };
}

describe("kvpolicy reproduce", () => {
  it("refuses a text that is too short for any experiment, by its name", async () => {
    const text = join(folder, "short.txt");
    await writeFile(text, "Call me Ishmael. ".repeat(5));
    const run = await reproduceCommand.prepare({ text, minutes: "1", budget: "48" }, common);
    const refused: unknown = await run(await createLaboratory()).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "config", details: { option: "text", value: "short.txt" } });
    expect(String(refused)).toMatch(/The text \(short\.txt\) has \d+ tokens, .* at least 328/);
    expect(String(refused)).not.toContain(folder);
  });

  it("leaves the checkpoint of an interrupted soak as it is", async () => {
    const own = join(folder, "soak.snapshot");
    await writeFile(own, "hours of work");
    const saved: ExperimentResults[] = [];
    const laboratory = await createLaboratory(saved);
    const pace = { read: 1, decode: 1 };
    const plan = { laboratory, text: undefined, budget: 32, stride: 8, pace };
    const soak = createReproductionParts(plan).find(({ experiment }) => experiment === "soak")!;
    // As the part has it, but shorter.
    const prepare = soakCommand.prepare.bind(soakCommand);
    vi.spyOn(soakCommand, "prepare").mockImplementationOnce((raw, shared) =>
      prepare({ ...(raw as object), tokens: "3000", rounds: "0" }, shared),
    );
    const results = await soak.run(1, laboratory);
    expect(results).toMatchObject({ experiment: "soak", partial: false, read: 3000 });
    expect(results.command).toContain("--checkpoint reproduce-soak.snapshot");
    expect(saved).toEqual([results]);
    expect(await readFile(own, "utf8")).toBe("hours of work");
    expect(await readdir(folder)).not.toContain("reproduce-soak.snapshot");
  });
});
