import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { MeasuredModel } from "@kvpolicy/bench";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { choosePolicies, neverEvicts, parsePolicies, parsePolicy, policyOption } from "./policy-choices.js";

describe("--policy", () => {
  it("may be given several times, in that order", () => {
    const parse = (...words: string[]): unknown =>
      new Command()
        .addOption(policyOption(["window", "sink-window"]))
        .parse(words, { from: "user" })
        .opts();
    expect(parse()).toEqual({});
    expect(parse("--policy", "window", "--policy", "sink-window:sinks=1")).toEqual({
      policy: ["window", "sink-window:sinks=1"],
    });
    expect(policyOption(["window", "sink-window"]).description).toContain("(default: window, sink-window)");
  });
});

describe("parsePolicies", () => {
  it("reads each, with the stride of the command where it names none", async () => {
    const specs = await parsePolicies(["window", "sink-window:stride=8"], 4, [64, 128]);
    expect(specs.map(({ name }) => name)).toEqual(["window", "sink-window:stride=8"]);
    const strides = specs.map(({ create }) => create({ findTokens: () => [] }).describe().options["stride"]);
    expect(strides).toEqual([4, 8]);
  });

  it.each([
    [["window", "window"], [64], /--policy window is given twice/],
    [["window", "nothing"], [64], /there is no policy "nothing"/],
    [["sink-window:sinks=40"], [64, 32], /--policy sink-window:sinks=40 cannot work with a budget of 32: /],
    [["random-anchor"], [10], /no 4 stream positions/],
  ])("refuses %j with budgets of %j", async (specs, budgets, message) => {
    await expect(parsePolicies(specs, 2, budgets)).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(message) as string,
    });
  });

  it("takes two of one kind with other options", async () => {
    expect(await parsePolicies(["sink-window", "sink-window:sinks=1"], 2, [64])).toHaveLength(2);
  });

  describe("of a module of one's own", () => {
    let folder: string;
    let path: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "kvpolicy-choices-"));
      path = join(folder, "mine.mjs");
      await writeFile(
        path,
        `const policy = { name: "mine", requires: [], plan: () => null, describe: () => ({ name: "mine", shape: "opaque", options: {} }) };
         export const fixed = { ...policy, budget: 64 };
         export default policy;
         export const failing = { ...policy, checkBudget: () => { throw new Error("a bug"); } };`,
      );
    });
    afterAll(() => rm(folder, { recursive: true }));

    it("may have the name of another, but not be the same twice", async () => {
      const other = join(folder, "other", "mine.mjs");
      await mkdir(join(folder, "other"));
      await writeFile(other, `export { default } from "../mine.mjs";`);
      const names = async (...specs: string[]): Promise<readonly string[]> =>
        (await parsePolicies(specs, 2, [64])).map(({ name }) => name);
      const [first, second, third] = ["mine (mine.mjs)", "mine (mine.mjs) 2", "mine (mine.mjs) 3"];
      expect(await names(path, other, "window", `${folder}/./mine.mjs`)).toEqual([
        first,
        second,
        "window",
        third,
      ]);
      await expect(names(path, other, path)).rejects.toThrow("--policy mine (mine.mjs) is given twice.");
    });

    it("refuses one that fixes another budget", async () => {
      expect(await parsePolicies([`${path}#fixed`], 2, [64])).toHaveLength(1);
      await expect(parsePolicies([`${path}#fixed`], 2, [64, 128])).rejects.toMatchObject({
        code: "config",
        message: expect.stringMatching(/budget of 128: its options add up to 64 cells/) as string,
      });
    });

    it("refuses one that fails when it is asked, with its error as the cause", async () => {
      await expect(parsePolicies([`${path}#failing`], 2, [64])).rejects.toMatchObject({
        code: "config",
        message: expect.stringMatching(/it failed in checkBudget: Error: a bug/) as string,
        cause: expect.objectContaining({ message: "a bug" }) as Error,
      });
    });
  });
});

describe("parsePolicy", () => {
  it("reads one, and refuses it with the budget that it cannot work with", async () => {
    expect((await parsePolicy("window", "half", [64])).name).toBe("window");
    await expect(parsePolicy("sink-window:sinks=40", 2, [64, 32])).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(/cannot work with a budget of 32: /) as string,
    });
  });
});

describe("neverEvicts", () => {
  it("is true of dense alone", async () => {
    const specs = await parsePolicies(["dense", "window", "random-anchor", "recompute"], 2, [64]);
    expect(specs.map(neverEvicts)).toEqual([true, false, false, false]);
  });
});

describe("choosePolicies", () => {
  /** As much of a model as is asked. */
  function model(trainedLength: number | undefined): MeasuredModel {
    return {
      trainedLength,
      findTokens: (isWanted: (text: string) => boolean) =>
        [",", "a", "."].flatMap((text, id) => (isWanted(text) ? [id] : [])),
    } as unknown as MeasuredModel;
  }

  async function cells(tokens: number, trainedLength: number | undefined): Promise<readonly unknown[]> {
    const specs = await parsePolicies(["dense", "window"], 2, [64]);
    return choosePolicies(specs, model(trainedLength), tokens).map((choice) => [choice.name, choice.cells]);
  }

  it("gives dense a cell for every token and one for a beginning-of-sequence token", async () => {
    expect(await cells(1_000, 64)).toEqual([
      ["dense", 1_001],
      ["window", undefined],
    ]);
  });

  it("gives it no more than four times what the model was trained on, or 16,384 cells", async () => {
    expect(await cells(1_000_000, undefined)).toContainEqual(["dense", 16_384]);
    expect(await cells(1_000_000, 2_048)).toContainEqual(["dense", 16_384]);
    expect(await cells(1_000_000, 8_192)).toContainEqual(["dense", 32_768]);
  });

  it("makes each policy for the budget that it is asked for, with the model's tokens", async () => {
    const specs = await parsePolicies(["random-anchor", "separator"], 2, [64, 128]);
    const [control, separator] = choosePolicies(specs, model(64), 1_000);
    expect(control!.create(64).budget).toBe(64);
    expect(control!.create(128).budget).toBe(128);
    expect(separator!.create(64).describe().options["separatorTokenCount"]).toBe(2);
  });

  it("asks a control for no more than a short text and the budgets have", async () => {
    const specs = await parsePolicies(["random-anchor"], 2, [64]);
    expect(choosePolicies(specs, model(64), 5).map(({ name }) => name)).toEqual(["random-anchor"]);
  });
});
