import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { measureSoak, type ExperimentResults, type SoakOptions, type SoakResults } from "@kvpolicy/bench";
import { openStream } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { commonOptions, parseCommonOptions } from "../common-options.js";
import type { Laboratory } from "../experiment-command.js";
import { loadModel, type LoadedModel } from "../load-model.js";
import { loadText } from "../load-text.js";
import { createMeasuredModel } from "../measured-model.js";
import { readableText } from "../readable-text.js";
import { describeSurroundings } from "../surroundings.js";
import { createSoakStorage, soakCommand } from "./soak.js";

const common = { keys: "F16", values: "F16", threads: 1 } as const;
const TOKENS = 20_000;

let folder: string;
let loaded: LoadedModel;
let text: SoakOptions["text"];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-soak-"));
  loaded = await loadModel("tiny:sink", { quiet: true, signal: new AbortController().signal, gpu: false });
  text = readableText(loaded, await loadText(undefined), 6001);
});
afterAll(async () => {
  await loaded[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

interface Changes {
  readonly file: string;
  readonly stopAt?: number;
  readonly budget?: number;
  readonly tokens?: number;
  readonly fresh?: boolean;
}

async function soak({
  file,
  stopAt = Infinity,
  budget = 128,
  tokens = TOKENS,
  fresh = false,
}: Changes): Promise<{
  readonly results: SoakResults;
  readonly resumed: readonly number[];
}> {
  const resumed: number[] = [];
  const stop = new AbortController();
  const results = await measureSoak({
    model: createMeasuredModel(loaded.model, common),
    surroundings: {
      command: "kvpolicy soak",
      versions: { kvpolicy: "0.0.0", nodeLlamaCpp: "3.22.1", node: process.versions.node },
      machine: {
        platform: "",
        architecture: "",
        processor: "",
        cores: 1,
        memoryBytes: 1,
        device: loaded.device,
      },
      model: {
        name: loaded.name,
        sha256: loaded.sha256,
        bytes: loaded.bytes,
        trainedLength: null,
        disclosure: null,
      },
      engine: { keyType: "F16", valueType: "F16", threads: 1 },
    },
    text,
    tokens,
    policy: { name: "sink-window", create: () => sinkWindow({ stride: 32 }) },
    budget,
    seed: 1,
    rounds: 0,
    signal: stop.signal,
    residentBytes: () => process.memoryUsage.rss(),
    onProgress: ({ done }) => {
      if (done >= stopAt) stop.abort();
    },
    storage: createSoakStorage({
      checkpoint: join(folder, file),
      every: 5000,
      fresh,
      laboratory: { loaded, common },
      onResume: (position) => resumed.push(position),
    }),
  });
  return { results, resumed };
}

test("a soak that is stopped midway goes on from its file, in a stream of its own, with the same figures", async () => {
  const whole = await soak({ file: "whole.snapshot" });
  expect(whole.resumed).toEqual([]);
  expect(whole.results).toMatchObject({ partial: false, read: TOKENS, peakCells: 128 });

  const first = await soak({ file: "cut.snapshot", stopAt: 9333 });
  expect(first.results.partial).toBe(true);
  expect(first.results.read).toBeGreaterThanOrEqual(9333);
  const second = await soak({ file: "cut.snapshot" });
  // Behind a beginning-of-sequence token.
  expect(second.resumed).toEqual([first.results.read + 1]);
  expect(second.results.sessions).toEqual([
    { start: 0, end: first.results.read },
    { start: first.results.read, end: TOKENS },
  ]);
  expect(second.results.milliseconds).toBeGreaterThan(first.results.milliseconds);
  const [expected, found] = [whole.results.passes, second.results.passes];
  expect(found.map(({ pass, blocks }) => [pass, blocks])).toEqual(
    expected.map(({ pass, blocks }) => [pass, blocks]),
  );
  for (const [index, { meanNll, difference }] of expected.entries()) {
    // What was read before the stop is the same to the bit; after it the last token was read twice, which rounds otherwise.
    const tolerance = index === 0 ? 0 : 1e-3;
    expect(Math.abs(found[index]!.meanNll! - meanNll!)).toBeLessThanOrEqual(tolerance);
    if (difference !== null) expect(Math.abs(found[index]!.difference! - difference)).toBeLessThan(1e-3);
  }
  expect(second.results.likelihood?.verdict).toBe(whole.results.likelihood?.verdict);
  expect(await readdir(folder)).toEqual(["cut.snapshot", "whole.snapshot"]);
});

test("what was begun otherwise, is damaged or of another kind is refused and left, unless started over", async () => {
  const file = "kept.snapshot";
  const path = join(folder, file);
  const { results } = await soak({ file, stopAt: 1500 });
  const kept = await readFile(path);
  const refused = async (changes: Partial<Changes>, message: RegExp): Promise<void> => {
    const before = await readFile(path);
    await expect(soak({ file, ...changes })).rejects.toMatchObject({
      code: "config",
      details: { option: "checkpoint" },
      message: expect.stringMatching(message) as string,
    });
    expect((await readFile(path)).equals(before)).toBe(true);
  };
  await refused(
    { budget: 64 },
    /cannot go on from kept\.snapshot: .*budget 128, and this is 64\. .*--fresh starts over/,
  );
  await refused({ tokens: 9000 }, /tokens: 20000 then, 9000 now/);
  await writeFile(path, kept.subarray(0, kept.length >> 1));
  await refused({}, /cannot go on from kept\.snapshot: .*(truncated|damaged)/);
  {
    await using other = await openStream(loaded.model, { policy: sinkWindow({ stride: 32 }), budget: 128 });
    await other.append(text.tokens.subarray(0, 50));
    await other.save(path);
  }
  await refused({}, /holds no soak/);

  const fresh = await soak({ file, stopAt: 1500, fresh: true });
  expect(fresh.resumed).toEqual([]);
  expect(fresh.results.sessions).toEqual([{ start: 0, end: fresh.results.read }]);
  await writeFile(path, kept);
  expect((await soak({ file, stopAt: 1 })).resumed).toEqual([results.read + 1]);
});

describe("the command", () => {
  const words = "--tokens 3000 --pass-tokens 1500 --budget 64 --stride 8 --every 1000 --rounds 0".split(" ");

  /** A run of `kvpolicy soak`, as far as it is not that of every experiment. */
  async function run(
    out: string,
    changes: Partial<Laboratory> = {},
    ...more: string[]
  ): Promise<ExperimentResults> {
    const command = new Command("soak").exitOverride();
    for (const option of [...commonOptions(), ...soakCommand.options]) command.addOption(option);
    const raw: unknown = command
      .parse([...words, "--out", join(folder, out), "--gpu", "false", ...more], { from: "user" })
      .opts();
    const shared = parseCommonOptions(raw, {});
    const runSoak = await soakCommand.prepare(raw, shared);
    return runSoak({
      loaded,
      common: shared,
      model: createMeasuredModel(loaded.model, shared),
      surroundings: await describeSurroundings(["node", "kvpolicy", "soak"], shared, loaded),
      save: () => Promise.resolve(),
      ...changes,
    });
  }

  test("leaves its checkpoint where the results cannot be saved, and loses no figure", async () => {
    const save = (): Promise<void> => Promise.reject(new Error("the disk is full"));
    const results = await run("full", { save });
    expect(results).toMatchObject({ partial: false, read: 3000 });
    expect(await readdir(join(folder, "full"))).toEqual(["soak.snapshot"]);

    const saved: ExperimentResults[] = [];
    const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    try {
      const again = await run("full", { save: async (part) => void saved.push(await Promise.resolve(part)) });
      expect(said.mock.calls.map(([text]) => text)).toEqual([
        expect.stringMatching(/^There is a checkpoint, soak\.snapshot, at stream position 3,001; --fresh/),
      ]);
      expect(saved).toEqual([again]);
    } finally {
      said.mockRestore();
    }
    expect(saved).toMatchObject([{ read: 3000, passes: (results as SoakResults).passes }]);
    expect(await readdir(join(folder, "full"))).toEqual([]);
  });

  test("says nothing of a checkpoint where JSON is wanted", async () => {
    const stop = new AbortController();
    const onProgress = (): void => {
      stop.abort();
    };
    const cut = await run("json", { signal: stop.signal, onProgress }, "--json");
    expect(cut.partial).toBe(true);
    const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    try {
      const { sessions } = (await run("json", {}, "--json")) as SoakResults;
      expect(sessions).toHaveLength(2);
      expect(said).not.toHaveBeenCalled();
    } finally {
      said.mockRestore();
    }
  });
});
