import { readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { withoutModel } from "./policy-kinds.js";
import { parsePolicySpec } from "./policy-spec.js";

describe("parsePolicySpec", () => {
  it.each([
    ["dense", 4, { name: "dense" }],
    ["window", 4, { name: "window", options: { window: null, stride: 4 } }],
    ["window:stride=half", 4, { options: { window: null, stride: "half" } }],
    ["sink-window:sinks=1,stride=16", 4, { options: { sinks: 1, window: null, stride: 16 } }],
    ["sink-window", "half", { options: { sinks: 4, window: null, stride: "half" } }],
    ["recompute:head=none,stride=64", 4, { options: { window: null, stride: 64, head: "none" } }],
    ["recompute:head=2", 4, { options: { window: null, stride: 4, head: 2 } }],
    ["recompute", 4, { options: { window: null, stride: 4, head: "bos" } }],
    ["sink-window", undefined, { options: { sinks: 4, window: null, stride: null } }],
    ["head-tail", 4, { name: "head-tail", options: { head: 0.5, stride: 4 } }],
    ["head-tail:head=.25,stride=half", 4, { options: { head: 0.25, stride: "half" } }],
    [
      "separator:sinks=1,separators=8",
      4,
      { name: "separator", options: { sinks: 1, separators: 8, stride: 4, separatorTokenCount: 1 } },
    ],
    ["separator", undefined, { options: { sinks: 4, separators: 32, stride: null } }],
    [
      "dispersed:sinks=0,anchors=8,spacing=10,stride=2",
      4,
      { name: "dispersed", options: { sinks: 0, anchors: 8, spacing: 10, stride: 2 } },
    ],
    [
      "surprise:sinks=2,surprises=16,half-life=97.5",
      4,
      { name: "surprise", options: { sinks: 2, surprises: 16, halfLife: 97.5, stride: 4 } },
    ],
    [
      "random-anchor:anchors=3,seed=7",
      4,
      { name: "random-anchor", options: { anchors: 3, seed: 7, budget: 256, stride: 4 } },
    ],
    ["llama-cpp-shift:keep=3", 4, { name: "llama-cpp-shift", options: { keep: 3, stride: "half" } }],
    ["random-recent", 4, { name: "random-recent", options: { anchors: 4, seed: 1, stride: 4 } }],
    ["pinned(window)", 4, { name: "pinned", inner: { name: "window", options: { stride: 4 } } }],
    [
      "pinned(turn-aligned(sink-window:sinks=1,stride=8))",
      4,
      { name: "pinned", inner: { name: "turn-aligned", inner: { options: { sinks: 1, stride: 8 } } } },
    ],
  ] as const)("reads %s", async (spec, stride, description) => {
    const { name, create } = await parsePolicySpec(spec, stride, 256);
    expect(name).toBe(spec);
    expect(create(withoutModel(256)).describe()).toMatchObject(description);
  });

  it.each([
    ["streaming", /there is no policy "streaming"; known are dense, window, recompute, sink-window/],
    ["", /there is no policy ""; known are/],
    ["sink-windw", /there is no policy "sink-windw"; did you mean sink-window\? Known are dense, window/],
    ["turn-algined", /there is no policy "turn-algined"; did you mean turn-aligned\? Known are/],
    ["pinned(wndow)", /there is no policy "wndow"; did you mean window\? Known are/],
    [
      "pined(window)",
      /no policy "pined" wraps another; did you mean pinned\? Those that do are pinned, turn/,
    ],
    ["sink-window:sink=1", /"sink" is no option of this policy; did you mean sinks\? It takes sinks, stride/],
    ["dense:stride=1", /"stride" is no option of this policy; it takes none/],
    ["window:sinks=1", /"sinks" is no option of this policy; it takes stride/],
    ["window:stride", /"stride" is not option=value/],
    ["window:stride=", /is not option=value/],
    ["window:stride=1=2", /is not option=value/],
    ["window:stride=0", /stride must be half or a whole number of at least 1, not "0"/],
    ["window:stride=1.5", /not "1.5"/],
    ["window:stride=1,stride=2", /stride is given twice/],
    ["sink-window:sinks=-1", /sinks must be a whole number of at least 0/],
    ["recompute:head=all", /head must be none, bos or a whole number/],
    ["window:stride=1:2", /more than one colon/],
    ["pinned", /"pinned" wraps another policy, which it has in brackets: pinned\(sink-window\)/],
    ["pinned()", /there is no policy ""/],
    ["pinned(sink-window", /its brackets do not match/],
    ["window(dense)", /no policy "window" wraps another; those that do are pinned, turn-aligned/],
    [
      "pinned(turn-aligned(streaming))",
      /--policy pinned\(turn-aligned\(streaming\)\) .* no policy "streaming"/,
    ],
    ["head-tail:head=1", /head must be a number of at least 0 and below 1, not "1"/],
    ["head-tail:head=half", /head must be a number .* not "half"/],
    ["surprise:half-life=0", /half-life must be a number of at least 1, not "0"/],
    ["dispersed:spacing=0", /spacing must be a whole number of at least 1/],
    ["random-recent:stride=half", /takes its stride as a number, not half/],
    ["random-anchor:anchors=0", /anchors must be a whole number of at least 1/],
  ])("refuses %j", async (spec, message) => {
    await expect(parsePolicySpec(spec, 1, 256)).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(message) as string,
    });
  });

  it("says what a control lacks whose budget is not known", async () => {
    await expect(parsePolicySpec("random-anchor", 1)).rejects.toMatchObject({
      code: "config",
      message: "--policy random-anchor takes its budget from the command: name --budget.",
    });
  });

  it("gives a policy the tokens of the model that it asks for", async () => {
    const texts = ["a", ".", " ,", "b", "\n"];
    const { create } = await parsePolicySpec("separator", undefined);
    const policy = create({
      findTokens: (isWanted) => [...texts.keys()].filter((token) => isWanted(texts[token] ?? "")),
    });
    expect(policy.describe().options["separatorTokenCount"]).toBe(3);
  });
});

const folders = readdirSync(new URL("../../policies", import.meta.url));

it.each(folders)("knows %s by its name, alone or around another", async (name) => {
  const spec = await parsePolicySpec(name, undefined, 256).catch(() =>
    parsePolicySpec(`${name}(window)`, undefined, 256),
  );
  expect(spec.create(withoutModel(256)).name).toBe(name);
});

describe("a module of one's own", () => {
  const source = `
    const policy = (name, options = {}) => ({
      name, requires: [], plan: () => null, describe: () => ({ name, shape: "opaque", options }),
    });
    export default (options) => policy("made", options);
    export const ready = policy("ready");
    export const number = 3;
    export const failing = () => { throw new Error("a bug"); };
  `;
  let directory: string;
  let path: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "kvpolicy-module-"));
    path = join(directory, "mine.mjs");
    await writeFile(path, source);
    await writeFile(join(directory, "broken.mjs"), "export default (");
  });
  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  it("exports a policy, or a function that is told the stride", async () => {
    const made = await parsePolicySpec(path, 8);
    expect(made.name).toBe("made (mine.mjs)");
    expect(made.create(withoutModel(256)).describe()).toMatchObject({ name: "made", options: { stride: 8 } });
    const ready = await parsePolicySpec(`pinned(turn-aligned(${path}#ready))`, undefined);
    expect(ready.name).toBe("pinned(turn-aligned(ready (mine.mjs#ready)))");
    expect(ready.create(withoutModel(256)).describe()).toMatchObject({ inner: { inner: { name: "ready" } } });
  });

  it("may be named relative to where the command runs", async () => {
    const spec = `./${relative(process.cwd(), path).replaceAll("\\", "/")}`;
    expect((await parsePolicySpec(spec, undefined)).name).toBe("made (mine.mjs)");
  });

  it.each([
    ["mine.mjs#missing", /no export missing; it has default, failing, number, ready/],
    ["mine.mjs#number", /it is of type number/],
    ["mine.mjs#failing", /its export failing failed: Error: a bug/],
    ["broken.mjs", /the module cannot be loaded/],
    ["nowhere.mjs", /the module cannot be loaded: .*nowhere/],
  ])("refuses %s", async (name, message) => {
    await expect(parsePolicySpec(join(directory, name), undefined)).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(message) as string,
    });
  });
});
