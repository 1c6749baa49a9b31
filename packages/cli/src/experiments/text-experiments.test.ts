import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { commonOptions, parseCommonOptions } from "../common-options.js";
import type { ExperimentCommand } from "../experiment-command.js";
import { budgetsCommand } from "./budgets.js";
import { latencyCommand } from "./latency.js";
import { perplexityCommand } from "./perplexity.js";
import { probeCommand, sinksCommand } from "./sinks.js";
import { soakCommand } from "./soak.js";

/** Checks a command line as far as it is checked before anything is loaded. */
function prepare(experiment: ExperimentCommand, words: readonly string[]): Promise<unknown> {
  const command = new Command(experiment.name).exitOverride().configureOutput({ writeErr: () => undefined });
  for (const option of [...commonOptions(), ...experiment.options]) command.addOption(option);
  const raw: unknown = command.parse(words, { from: "user" }).opts();
  return experiment.prepare(raw, parseCommonOptions(raw, {}));
}

const OTHER = ["--model", "nowhere.gguf"];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-texts-"));
  for (const name of ["a.txt", "b.txt"]) await writeFile(join(folder, name), `This is ${name}.`);
});
afterAll(() => rm(folder, { recursive: true }));

it.each([perplexityCommand, probeCommand, sinksCommand, budgetsCommand, latencyCommand, soakCommand])(
  "a text that is missing is refused by $name before anything is loaded",
  async (command) => {
    const words = [...OTHER, "--out", folder, "--text"];
    expect(await prepare(command, [...words, join(folder, "a.txt")])).toBeTypeOf("function");
    await expect(prepare(command, [...words, join(folder, "none.txt")])).rejects.toMatchObject({
      code: "config",
      details: { option: "text" },
      message: "The text file none.txt cannot be read: there is no such file.",
    });
  },
);

describe.each([
  ["perplexity", perplexityCommand],
  ["probe", probeCommand],
  ["sinks", sinksCommand],
  ["budgets", budgetsCommand],
])("kvpolicy %s", (name, command) => {
  it("is ready without an option, on a tiny model and on another", async () => {
    expect(command.name).toBe(name);
    expect(await prepare(command, [])).toBeTypeOf("function");
    expect(await prepare(command, OTHER)).toBeTypeOf("function");
  });

  it("refuses a number of tokens and a stride that are none, and a text without a name", async () => {
    const refused: (readonly [readonly string[], string, RegExp])[] = [
      [["--tokens", "0"], "tokens", /^--tokens must be a whole number of at least 1, not "0"/],
      [["--tokens", "1e3"], "tokens", /^--tokens must be/],
      [["--stride", "0"], "stride", /^--stride must be .*a whole number of at least 1/],
      [["--stride", "third"], "stride", /^--stride must be/],
      [["--text", ""], "text", /^--text must name a file, or be - for standard input/],
    ];
    for (const [words, option, message] of refused) {
      await expect(prepare(command, words)).rejects.toMatchObject({
        code: "config",
        details: { option },
        message: expect.stringMatching(message) as string,
      });
    }
  });
});

describe.each([
  ["perplexity", perplexityCommand],
  ["budgets", budgetsCommand],
])("kvpolicy %s", (_, command) => {
  it("takes a stride of half the window", async () => {
    expect(await prepare(command, ["--stride", "half"])).toBeTypeOf("function");
  });
});

describe("kvpolicy perplexity", () => {
  it("says whom the others are compared with", () => {
    const reference = perplexityCommand.options.find(({ long }) => long === "--reference");
    expect(reference?.description).toContain("(default: the first sink-window, else the first policy)");
  });

  it.each([
    [["--budgets", "256,256"], "budgets", /^--budgets must be whole numbers of at least 1 .* none twice/],
    [["--budgets", "256,"], "budgets", /^--budgets must be/],
    [["--budgets", "0"], "budgets", /^--budgets must be/],
    [["--policy", "nothing"], "policy", /there is no policy "nothing"/],
    [["--policy", "window", "--policy", "window"], "policy", /--policy window is given twice/],
    [
      ["--policy", "sink-window:sinks=90", "--budgets", "512,80"],
      "policy",
      /cannot work with a budget of 80/,
    ],
    [["--budgets", "4", "--stride", "2"], "policy", /cannot work with a budget of 4/],
    [
      ["--policy", "window", "--policy", "sink-window:sinks=1", "--reference", "sink-window"],
      "reference",
      /^--reference sink-window is none of the policies: window, sink-window:sinks=1\.$/,
    ],
    [["--text", "a.txt", "--text", "b.txt", "--text", "a.txt"], "text", /^--text a\.txt is given twice/],
    [["--text", "-", "--text", "-"], "text", /^--text - is given twice/],
  ])("refuses %j before anything is loaded", async (words, option, message) => {
    await expect(prepare(perplexityCommand, [...OTHER, ...words])).rejects.toMatchObject({
      code: "config",
      details: { option },
      message: expect.stringMatching(message) as string,
    });
  });

  it("takes several texts, budgets and policies, and one of these as the reference", async () => {
    const texts = ["--text", join(folder, "a.txt"), "--text", join(folder, "b.txt")];
    const words = "--budgets 64,32 --policy window --policy sink-window --reference window";
    expect(await prepare(perplexityCommand, [...texts, ...words.split(" ")])).toBeTypeOf("function");
  });
});

describe.each([
  ["probe", probeCommand],
  ["sinks", sinksCommand],
])("kvpolicy %s", (_, command) => {
  it.each([
    [["--budget", "1"], "budget", /^--budget must be a whole number of at least 2/],
    [["--sinks", "0"], "sinks", /^--sinks must name at least two numbers/],
    [["--sinks", "0,0"], "sinks", /^--sinks must be .* none twice/],
    [["--sinks", "0,,4"], "sinks", /^--sinks must be/],
    [
      ["--sinks", "0,30", "--budget", "32", "--stride", "2"],
      "sinks",
      /^--sinks 30 and --stride 2 leave no window .* 32 cells/,
    ],
    [["--budget", "10"], "sinks", /^--sinks 8 and --stride 2 leave no window .* 10 cells/],
    [["--stride", "half"], "stride", /^--stride must be a whole number of at least 1/],
  ])("refuses %j before anything is loaded", async (words, option, message) => {
    await expect(prepare(command, words)).rejects.toMatchObject({
      code: "config",
      details: { option },
      message: expect.stringMatching(message) as string,
    });
  });

  it("takes what leaves a window of one cell", async () => {
    expect(await prepare(command, ["--sinks", "0,29", "--budget", "32", "--stride", "2"])).toBeTypeOf(
      "function",
    );
  });
});

describe("kvpolicy sinks", () => {
  const small = ["--sinks", "0,1", "--budget", "11", "--stride", "1"];

  it("refuses a budget without room for the random tokens, unless none are drawn", async () => {
    await expect(prepare(sinksCommand, small)).rejects.toMatchObject({
      code: "config",
      details: { option: "draws", value: 3 },
      message:
        "--draws 3 cannot work with a budget of 11 and a stride of 1: random-anchor: there are no 4 stream positions from 8 to 10. --draws 0 leaves the random controls out.",
    });
    expect(await prepare(sinksCommand, [...small, "--draws", "0"])).toBeTypeOf("function");
    expect(await prepare(probeCommand, small)).toBeTypeOf("function");
  });

  it("refuses a number of draws that is none", async () => {
    await expect(prepare(sinksCommand, ["--draws", "-1"])).rejects.toMatchObject({
      code: "config",
      details: { option: "draws" },
    });
  });
});

describe("kvpolicy budgets", () => {
  it.each([
    [["--budgets", "64,32,64"], "budgets", /^--budgets must be .* none twice/],
    [["--policy", "nothing"], "policy", /there is no policy "nothing"/],
    [["--budgets", "64,4"], "policy", /--policy sink-window cannot work with a budget of 4/],
    [["--policy", "sink-window:sinks=40"], "policy", /cannot work with a budget of 32/],
    [["--policy", "dense"], "policy", /^--policy dense never evicts/],
  ])("refuses %j before anything is loaded", async (words, option, message) => {
    await expect(prepare(budgetsCommand, words)).rejects.toMatchObject({
      code: "config",
      details: { option },
      message: expect.stringMatching(message) as string,
    });
  });

  it("has smaller budgets for a tiny model than for another", async () => {
    const words = ["--policy", "sink-window:sinks=40"];
    await expect(prepare(budgetsCommand, words)).rejects.toThrow(/budget of 32/);
    expect(await prepare(budgetsCommand, [...OTHER, ...words])).toBeTypeOf("function");
  });
});
