import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { COMMON_DEFAULTS, commonOptions } from "./common-options.js";
import { withoutModel } from "./policy-kinds.js";
import { parseStreamOptions, STREAM_DEFAULTS, streamOptions } from "./stream-options.js";
import { describeCommand } from "./surroundings.js";

const RAW = { equal: "peak", out: "results", keys: "F16", values: "F16", gpu: "auto", seed: "1" };
const { tiny } = COMMON_DEFAULTS;

/** What commander makes of a command line. */
function readWords(...words: string[]): unknown {
  const command = new Command("stream").exitOverride();
  for (const option of [...streamOptions(), ...commonOptions()]) command.addOption(option);
  return command.parse(words, { from: "user" }).opts();
}

describe("parseStreamOptions", () => {
  it("compares the paper's four on the tiny model unless told otherwise", async () => {
    const options = await parseStreamOptions(RAW, {});
    expect(options.policies.map(({ name }) => name)).toEqual(["dense", "window", "recompute", "sink-window"]);
    expect(options).toMatchObject({
      budget: tiny.budget,
      threads: tiny.threads,
      tokens: STREAM_DEFAULTS.tokens,
      equal: "peak",
      json: false,
    });
    const strides = options.policies
      .slice(1)
      .map(({ create }) => create(withoutModel(256)).describe().options["stride"]);
    expect(strides).toEqual([2, 2, 2]);
  });

  it("takes what the command line says, and the defaults of the help where it says nothing", async () => {
    expect(await parseStreamOptions(readWords(), {})).toMatchObject({
      model: "tiny:sink",
      isTiny: true,
      text: undefined,
      equal: STREAM_DEFAULTS.equal,
      out: "kvpolicy-results",
      seed: 1,
    });
    const words =
      "--text a.txt --policy window --policy recompute --budget 64 --stride half --equal mean --tokens 90 --seed 7 --json";
    const options = await parseStreamOptions(readWords(...words.split(" ")), {});
    expect(options).toMatchObject({
      text: "a.txt",
      budget: 64,
      equal: "mean",
      tokens: 90,
      seed: 7,
      json: true,
    });
    const descriptions = options.policies.map(({ create }) => create(withoutModel(64)).describe());
    expect(descriptions).toMatchObject([
      { name: "window", options: { stride: "half" } },
      { name: "recompute", options: { stride: "half" } },
    ]);
  });

  it("takes the model from the environment, other defaults with it, and all of a given text", async () => {
    expect(await parseStreamOptions(RAW, { KVPOLICY_MODEL: "a.gguf" })).toMatchObject({
      model: "a.gguf",
      budget: 256,
    });
    const { model } = await parseStreamOptions({ ...RAW, model: "b.gguf" }, { KVPOLICY_MODEL: "a.gguf" });
    expect(model).toBe("b.gguf");
    expect((await parseStreamOptions(RAW, { KVPOLICY_MODEL: "" })).model).toBe("tiny:sink");
    expect(await parseStreamOptions({ ...RAW, model: "tiny:plain" }, {})).toMatchObject({
      model: "tiny:plain",
      budget: tiny.budget,
      threads: tiny.threads,
    });
    expect((await parseStreamOptions({ ...RAW, text: "-" }, {})).tokens).toBeUndefined();
  });

  it.each([
    [{ gpu: "opencl" }, '--gpu must be one of auto, cuda, metal, vulkan, false, not "opencl".'],
    [{ budget: "0" }, '--budget must be a whole number of at least 1, not "0".'],
    [{ budget: "1e3" }, '--budget must be a whole number of at least 1, not "1e3".'],
    [{ budget: "99999999999999999999" }, "--budget must be a whole number"],
    [{ stride: "0" }, '--stride must be half or a whole number of at least 1, not "0".'],
    [{ equal: "median" }, '--equal must be peak or mean, not "median".'],
    [{ tokens: "-5" }, "--tokens must be a whole number of at least 1"],
    [{ threads: "two" }, "--threads must be"],
    [{ seed: "1.5" }, "--seed must be a whole number of at least 0"],
    [{ keys: "Q8" }, '--keys must be F16 or F32, not "Q8".'],
    [{ text: "" }, "--text must name a file"],
    [{ policy: ["window", "window"] }, "--policy window is given twice."],
    [
      { policy: ["sink-window:sinks=9"], budget: "8" },
      "--policy sink-window:sinks=9 cannot work with a budget of 8",
    ],
    [{ policy: ["window:stride=9"], budget: "8" }, "the stride of 9 is larger than the window"],
  ])("refuses %j", async (raw, message) => {
    await expect(parseStreamOptions({ ...RAW, ...raw }, {})).rejects.toThrow(message);
  });
});

describe("modules of one's own", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "kvpolicy-modules-"));
    const policy = (more: string): string =>
      `export default { name: "mine", requires: [], plan: () => null, describe: () => ({}), ${more} };`;
    await mkdir(join(directory, "other"));
    await writeFile(join(directory, "index.mjs"), policy(""));
    await writeFile(join(directory, "other", "index.mjs"), policy(""));
    await writeFile(join(directory, "fixed.mjs"), policy("budget: 64"));
    await writeFile(
      join(directory, "failing.mjs"),
      policy("checkBudget: () => { throw new Error('a bug'); }"),
    );
    await writeFile(join(directory, "bare.mjs"), "export default { name: 'bare', plan: () => null };");
    await writeFile(join(directory, "later.mjs"), "export default async () => ({});");
  });
  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  it("may have the same name twice, but not be the same twice", async () => {
    const policy = [join(directory, "index.mjs"), join(directory, "other", "index.mjs"), "window"];
    const { policies } = await parseStreamOptions({ ...RAW, policy }, {});
    expect(policies.map(({ name }) => name)).toEqual(["mine (index.mjs)", "mine (index.mjs) 2", "window"]);
    const twice = parseStreamOptions({ ...RAW, policy: [policy[0], policy[0]] }, {});
    await expect(twice).rejects.toThrow("--policy mine (index.mjs) is given twice.");
  });

  it("takes a budget of its own that is that of the command, and a control at any mean", async () => {
    const policy = [join(directory, "fixed.mjs")];
    expect((await parseStreamOptions({ ...RAW, policy, budget: "64" }, {})).policies).toHaveLength(1);
    const control = { ...RAW, policy: ["random-anchor"], equal: "mean" };
    expect((await parseStreamOptions(control, {})).policies).toHaveLength(1);
  });

  it.each([
    [
      "fixed.mjs",
      {},
      "--policy mine (fixed.mjs) cannot work with a budget of 128: its options add up to 64 cells.",
    ],
    [
      "fixed.mjs",
      { budget: "64", equal: "mean" },
      "--policy mine (fixed.mjs) has a budget of its own, 64 cells, and --equal mean chooses another.",
    ],
    [
      "failing.mjs",
      {},
      "--policy mine (failing.mjs) cannot work with a budget of 128: it failed in checkBudget: Error: a bug.",
    ],
    ["bare.mjs", {}, "it has no list requires"],
    ["later.mjs", {}, "it is a promise, which has to be awaited"],
  ])("refuses %s with %o", async (name, raw, message) => {
    const parsed = parseStreamOptions({ ...RAW, policy: [join(directory, name)], ...raw }, {});
    await expect(parsed).rejects.toMatchObject({
      code: "config",
      message: expect.stringContaining(message) as string,
    });
  });
});

describe("describeCommand", () => {
  it("keeps names and drops the paths before them", () => {
    const shown = describeCommand([
      "node",
      "main.js",
      "stream",
      "--model=/data/models/a.gguf",
      "--text",
      "../my books/b c.txt",
      "--out",
      "C:\\Users\\me\\out",
    ]);
    expect(shown).toBe("kvpolicy stream --model=a.gguf --text 'b c.txt' --out out");
    const policies = ["--policy", "./mine/a.js#b", "--policy=pinned(turn-aligned(../mine/a.js))"];
    expect(describeCommand(["node", "main.js", "stream", ...policies])).toBe(
      "kvpolicy stream --policy 'a.js#b' '--policy=pinned(turn-aligned(a.js))'",
    );
    expect(describeCommand(["node", "main.js", "stream", "--model", "hf:user/repo/file.gguf"])).toContain(
      "hf:user/repo/file.gguf",
    );
  });
});
