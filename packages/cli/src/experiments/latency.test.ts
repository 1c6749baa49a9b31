import { KVPolicyError } from "@kvpolicy/core";
import { describe, expect, it } from "vitest";

import type { CommonOptions } from "../common-options.js";
import { createLatencyContenders, latencyCommand, parseLatencyOptions } from "./latency.js";

/** What commander hands over when an option is left out. */
const RAW = Object.fromEntries(
  latencyCommand.options.map((option) => [option.attributeName(), option.defaultValue as unknown]),
);

const OTHER = { isTiny: false };
const TINY = { isTiny: true };

describe("parseLatencyOptions", () => {
  it("has the paper's stride and fair ones, small budgets and ten minutes", () => {
    expect(parseLatencyOptions(RAW, OTHER)).toEqual({
      budgets: [256, 512, 1024],
      strides: [1, 16, 64, 256],
      minutes: 10,
      precision: 5,
      qualityTokens: 1024,
      qualityBudget: 256,
      sinks: 4,
      text: undefined,
    });
  });

  it("has smaller budgets for a tiny model, and no stride as large as all of them", () => {
    expect(parseLatencyOptions(RAW, TINY)).toMatchObject({
      budgets: [64, 128, 256],
      strides: [1, 16, 64],
      qualityBudget: 64,
    });
    const stridesOf = (budgets: string, sinks = "4"): unknown =>
      parseLatencyOptions({ ...RAW, budgets, sinks }, OTHER).strides;
    expect(stridesOf("128,512")).toEqual([1, 16, 64, 256]);
    expect(stridesOf("32")).toEqual([1, 16]);
    expect([stridesOf("260"), stridesOf("261"), stridesOf("260", "3")]).toEqual([
      [1, 16, 64],
      [1, 16, 64, 256],
      [1, 16, 64, 256],
    ]);
    expect(parseLatencyOptions({ ...RAW, budgets: "32", strides: "64" }, TINY).strides).toEqual([64]);
  });

  it("takes the perplexities at the smallest budget, wherever it stands", () => {
    expect(parseLatencyOptions({ ...RAW, budgets: "512,128,256" }, OTHER).qualityBudget).toBe(128);
  });

  it("says its defaults", () => {
    const said = (flag: string): string | undefined =>
      latencyCommand.options.find(({ long }) => long === flag)?.description;
    expect(said("--budgets")).toContain("(default: 64,128,256 for a tiny model, else 256,512,1024)");
    expect(said("--strides")).toContain("(default: 1,16,64,256, as far as");
    expect(said("--quality-budget")).toContain("(default: the smallest of --budgets)");
  });

  it("takes lists, and another budget for the perplexities", () => {
    const given = {
      ...RAW,
      budgets: "32,64",
      strides: "2",
      qualityBudget: "64",
      qualityTokens: "0",
      sinks: "1",
    };
    expect(parseLatencyOptions(given, OTHER)).toMatchObject({
      budgets: [32, 64],
      strides: [2],
      qualityBudget: 64,
      qualityTokens: 0,
      sinks: 1,
    });
  });

  it.each([
    [{ budgets: "256,many" }, "budgets", "--budgets must be whole numbers"],
    [{ budgets: "256,256" }, "budgets", "--budgets must be whole numbers"],
    [{ budgets: "" }, "budgets", "--budgets must be whole numbers"],
    [
      { budgets: "5,64" },
      "budgets",
      "--budgets 5 leaves no window behind 4 sinks: it takes at least 6 cells.",
    ],
    [{ strides: "0" }, "strides", "--strides must be whole numbers"],
    [{ minutes: "0" }, "minutes", "--minutes must be a whole number of at least 1"],
    [{ precision: "0" }, "precision", "--precision must be"],
    [{ qualityTokens: "-1" }, "qualityTokens", "--quality-tokens must be"],
    [
      { qualityBudget: "128" },
      "qualityBudget",
      "--quality-budget must be one of --budgets 256,512,1024, not 128.",
    ],
    [{ text: "" }, "text", "--text must name a file"],
  ])("refuses %j before anything is loaded", async (given, option, message) => {
    const refused: unknown = await latencyCommand.prepare({ ...RAW, ...given }, OTHER as CommonOptions).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(KVPolicyError.isInstance(refused, "config")).toBe(true);
    expect((refused as KVPolicyError<"config">).details.option).toBe(option);
    expect((refused as Error).message).toContain(message);
  });
});

describe("createLatencyContenders", () => {
  it("pairs both kinds of eviction at each stride, and adds dense", () => {
    const contenders = createLatencyContenders({ strides: [1, 64], sinks: 2 });
    expect(contenders.map(({ name, kind, stride }) => [name, kind, stride])).toEqual([
      ["recompute, stride 1", "recompute", 1],
      ["recompute, stride 64", "recompute", 64],
      ["sink-window, stride 1", "reuse", 1],
      ["sink-window, stride 64", "reuse", 64],
      ["dense", "dense", null],
    ]);
    const shapes = contenders.map((contender) => contender.create(128).describe(128).shape);
    expect(shapes).toMatchObject([
      { survivors: "recompute", stride: 1 },
      { survivors: "recompute", stride: 64 },
      { survivors: "reuse", stride: 1, first: 2 },
      { survivors: "reuse", stride: 64, first: 2 },
      { stride: 0 },
    ]);
  });
});
