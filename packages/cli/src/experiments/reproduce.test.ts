import { Command } from "commander";
import { describe, expect, it } from "vitest";

import { commonOptions, parseCommonOptions } from "../common-options.js";
import { reproduceCommand } from "./reproduce.js";

/** Checks a command line as far as it is checked before anything is loaded. */
function prepare(...words: string[]): Promise<unknown> {
  const command = new Command("reproduce").exitOverride();
  for (const option of [...commonOptions(), ...reproduceCommand.options]) command.addOption(option);
  const raw: unknown = command.parse(words, { from: "user" }).opts();
  return reproduceCommand.prepare(raw, parseCommonOptions(raw, {}));
}

const OTHER = ["--model", "nowhere.gguf"];

describe("kvpolicy reproduce", () => {
  it("is ready without an option, on a tiny model and on another", async () => {
    expect(await prepare()).toBeTypeOf("function");
    expect(await prepare(...OTHER)).toBeTypeOf("function");
  });

  it.each([
    [["--minutes", "0"], "minutes", /^--minutes must be a whole number of at least 1/],
    [["--stride", "0"], "stride", /^--stride must be/],
    [["--text", "-"], "text", /^--text must name a file here/],
    [["--budget", "5"], "policy", /^--policy sink-window cannot work with a budget of 5/],
    [["--budget", "64", "--stride", "61"], "policy", /^--policy sink-window cannot work with a budget of 64/],
    // Its own default stride.
    [[...OTHER, "--budget", "67"], "policy", /cannot work with a budget of 67/],
  ])("refuses %j before anything is loaded", async (words, option, message) => {
    await expect(prepare(...words)).rejects.toMatchObject({
      code: "config",
      details: { option },
      message: expect.stringMatching(message) as string,
    });
  });

  it("takes a small budget with a small stride", async () => {
    expect(await prepare(...OTHER, "--budget", "67", "--stride", "16")).toBeTypeOf("function");
    expect(await prepare("--budget", "67")).toBeTypeOf("function");
  });

  it("says in its help what stride it takes", () => {
    const stride = reproduceCommand.options.find(({ long }) => long === "--stride");
    expect(stride?.description).toContain("default: 2 for a tiny model, else 64");
  });
});
