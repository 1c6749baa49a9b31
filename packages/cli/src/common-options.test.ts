import { Command } from "commander";
import { describe, expect, it } from "vitest";

import {
  budgetOption,
  commonOptions,
  parseCommonOptions,
  strideOption,
  type CommonOptions,
} from "./common-options.js";

/** The options of a command line, as commander and then the command read them. */
function parse(words: readonly string[], environment: NodeJS.ProcessEnv = {}): CommonOptions {
  const command = new Command("experiment").exitOverride();
  for (const option of commonOptions()) command.addOption(option);
  return parseCommonOptions(command.parse(words, { from: "user" }).opts(), environment);
}

describe("the options that all experiments share", () => {
  it("take a tiny model unless told otherwise, with its cells, stride and one thread", () => {
    expect(parse([])).toEqual({
      model: "tiny:sink",
      isTiny: true,
      defaults: { budget: 128, stride: 2 },
      out: "kvpolicy-results",
      keys: "F16",
      values: "F16",
      threads: 1,
      gpu: "auto",
      seed: 1,
      json: false,
    });
  });

  it("have other cells and stride for any other model, and leave the threads to the engine", () => {
    expect(parse(["--model", "a/model.gguf"])).toMatchObject({
      model: "a/model.gguf",
      isTiny: false,
      defaults: { budget: 256, stride: 16 },
      threads: undefined,
    });
  });

  it("take the model of the environment, unless one is named", () => {
    const environment = { KVPOLICY_MODEL: "hf:user/repo/file" };
    expect(parse([], environment)).toMatchObject({ model: "hf:user/repo/file", isTiny: false });
    expect(parse(["--model", "tiny:plain"], environment)).toMatchObject({
      model: "tiny:plain",
      isTiny: true,
    });
    expect(parse([], { KVPOLICY_MODEL: "" })).toMatchObject({ model: "tiny:sink", isTiny: true });
  });

  it("are what the command line says", () => {
    const words = "--out here --keys F32 --values F32 --threads 3 --gpu false --seed 0 --json".split(" ");
    expect(parse(words)).toMatchObject({
      out: "here",
      keys: "F32",
      values: "F32",
      threads: 3,
      gpu: false,
      seed: 0,
      json: true,
    });
  });

  it.each([
    [["--model", ""], "model", '--model must be a path, hf:USER/REPO/FILE or tiny:NAME, not "".'],
    [["--out", ""], "out", '--out must name a directory, not "".'],
    [["--keys", "Q8_0"], "keys", '--keys must be F16 or F32, not "Q8_0".'],
    [["--values", "f16"], "values", '--values must be F16 or F32, not "f16".'],
    [["--threads", "0"], "threads", '--threads must be a whole number of at least 1, not "0".'],
    [["--gpu", "yes"], "gpu", '--gpu must be one of auto, cuda, metal, vulkan, false, not "yes".'],
    [["--seed", "-1"], "seed", '--seed must be a whole number of at least 0, not "-1".'],
  ])("refuse %j", (words, option, message) => {
    expect(() => parse(words)).toThrow(
      expect.objectContaining({ code: "config", message, details: { option, value: words[1] } }) as Error,
    );
  });
});

describe("the options of sizes", () => {
  it("say the defaults that are taken", () => {
    const [tiny, other] = [[], ["--model", "a.gguf"]].map((words) => parse(words).defaults);
    for (const [option, name] of [
      [budgetOption(), "budget"],
      [strideOption(), "stride"],
      [strideOption({ numbersOnly: true }), "stride"],
    ] as const)
      expect(option.description).toContain(
        `(default: ${tiny![name]} for a tiny model, else ${other![name]})`,
      );
    expect(budgetOption(7, 9).description).toContain("(default: 7 for a tiny model, else 9)");
  });

  it("offer half only where it is taken", () => {
    expect(strideOption().description).toMatch(/ or half, unless the policy says /);
    expect(strideOption({ numbersOnly: true }).description).not.toMatch(/half|policy/);
  });
});
