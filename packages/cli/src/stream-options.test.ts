import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { withoutModel } from "./policy-kinds.js";
import { DEFAULTS, parseStreamOptions } from "./stream-options.js";
import { describeCommand } from "./surroundings.js";

const RAW = { equal: "peak", out: "results", keys: "F16", values: "F16", gpu: "auto", seed: "1" };

describe("parseStreamOptions", () => {
  it("compares the paper's four on the tiny model unless told otherwise", async () => {
    const options = await parseStreamOptions(RAW, {});
    expect(options.policies.map(({ name }) => name)).toEqual(["dense", "window", "recompute", "sink-window"]);
    expect(options).toMatchObject({
      budget: DEFAULTS.tiny.budget,
      threads: DEFAULTS.tiny.threads,
      tokens: DEFAULTS.tokens,
      equal: "peak",
      json: false,
    });
    const strides = options.policies
      .slice(1)
      .map(({ create }) => create(withoutModel(256)).describe().options["stride"]);
    expect(strides).toEqual([2, 2, 2]);
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
      budget: DEFAULTS.tiny.budget,
      threads: DEFAULTS.tiny.threads,
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
      "--policy sink-window:sinks=9 cannot work with --budget 8",
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

  it.each([
    [
      "fixed.mjs",
      {},
      "--policy mine (fixed.mjs) cannot work with --budget 128: its options add up to 64 cells.",
    ],
    [
      "fixed.mjs",
      { budget: "64", equal: "mean" },
      "it has a budget of its own, and --equal mean chooses another",
    ],
    ["failing.mjs", {}, "--policy mine (failing.mjs) failed in checkBudget: Error: a bug."],
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
