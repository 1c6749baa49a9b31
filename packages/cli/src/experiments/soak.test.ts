import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { commonOptions, parseCommonOptions } from "../common-options.js";
import { withoutModel } from "../policy-kinds.js";
import { parseSoakOptions, soakCommand, type SoakCommandOptions } from "./soak.js";

/** The options of a command line, as commander and then the command read it. */
function parse(...words: string[]): Promise<SoakCommandOptions> {
  const command = new Command("soak").exitOverride();
  for (const option of [...commonOptions(), ...soakCommand.options]) command.addOption(option);
  const raw: unknown = command.parse(words, { from: "user" }).opts();
  return parseSoakOptions(raw, parseCommonOptions(raw, {}));
}

describe("kvpolicy soak", () => {
  it("reads a million tokens in passes unless told otherwise", async () => {
    const options = await parse();
    expect(options).toMatchObject({
      tokens: 1_000_000,
      passTokens: 49_991,
      budget: 128,
      every: 100_000,
      rounds: 50,
      fresh: false,
      text: undefined,
      checkpoint: join("kvpolicy-results", "soak.snapshot"),
    });
    expect(options.policy.name).toBe("sink-window");
    expect(options.policy.create(withoutModel(128)).describe().options["stride"]).toBe(2);
  });

  it("takes what it is told", async () => {
    const options = await parse(
      ...[
        "--model",
        "a.gguf",
        "--tokens",
        "4000000",
        "--pass-tokens",
        "9000",
        "--policy",
        "window",
        "--stride",
        "4",
      ],
      ...[
        "--checkpoint",
        "elsewhere/a.snapshot",
        "--every",
        "5000",
        "--fresh",
        "--text",
        "-",
        "--rounds",
        "0",
      ],
    );
    expect(options).toMatchObject({
      tokens: 4_000_000,
      passTokens: 9000,
      budget: 256,
      every: 5000,
      rounds: 0,
      fresh: true,
      text: "-",
      checkpoint: "elsewhere/a.snapshot",
    });
    expect(options.policy.create(withoutModel(256)).describe().options["stride"]).toBe(4);
  });

  it.each([
    [["--tokens", "0"], /--tokens must be a whole number of at least 1, not "0"/],
    [["--pass-tokens", "many"], /--pass-tokens must be a whole number/],
    [["--every", "0"], /--every must be/],
    [["--rounds", "-1"], /--rounds must be a whole number of at least 0/],
    [["--budget", "1.5"], /--budget must be/],
    [["--stride", "third"], /--stride must be half or a whole number/],
    [["--checkpoint", ""], /--checkpoint must name a file/],
    [["--text", ""], /--text must name a file/],
    [["--policy", "nothing"], /there is no policy "nothing"/],
    [["--policy", "sink-window:sinks=9", "--budget", "8"], /cannot work with a budget of 8: /],
  ])("refuses %j", async (words, message) => {
    await expect(parse(...words)).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(message) as string,
    });
  });
});

describe("a policy of one's own", () => {
  let folder: string;
  let path: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvpolicy-soak-"));
    path = join(folder, "mine.mjs");
    await writeFile(
      path,
      `const policy = { name: "mine", requires: [], plan: () => null, describe: () => ({}) };
       export const fixed = { ...policy, budget: 64 };
       export const failing = { ...policy, checkBudget: () => { throw new Error("a bug"); } };`,
    );
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("is refused with another budget than its own", async () => {
    expect((await parse("--policy", `${path}#fixed`, "--budget", "64")).budget).toBe(64);
    await expect(parse("--policy", `${path}#fixed`)).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(/budget of 128: its options add up to 64 cells/) as string,
    });
  });

  it("is refused when it fails as it is asked, and ends nothing", async () => {
    await expect(parse("--policy", `${path}#failing`)).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(/it failed in checkBudget: Error: a bug/) as string,
    });
  });
});

describe("the folder of the checkpoint", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvpolicy-soak-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const prepare = (checkpoint: string): Promise<unknown> => {
    const raw = {
      tokens: "1000",
      passTokens: "500",
      policy: "sink-window",
      every: "100",
      rounds: "0",
      checkpoint,
    };
    const common = parseCommonOptions(
      { out: folder, keys: "F16", values: "F16", gpu: "auto", seed: "1" },
      {},
    );
    return soakCommand.prepare(raw, common);
  };

  it("is made before anything is loaded", async () => {
    await prepare(join(folder, "new", "a.snapshot"));
    await expect(mkdir(join(folder, "new"))).rejects.toMatchObject({ code: "EEXIST" });
  });

  it("is refused when it cannot be", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(prepare(join(folder, "file", "a.snapshot"))).rejects.toMatchObject({
      code: "config",
      details: { option: "checkpoint", value: "a.snapshot" },
    });
  });
});
