import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { parseCommonOptions } from "../common-options.js";
import { CHAT_EVAL_DEFAULTS, chatEvalCommand, parseChatEvalOptions } from "./chat-eval.js";

const DEFAULTS = Object.fromEntries(
  chatEvalCommand.options.flatMap((option) =>
    option.defaultValue === undefined ? [] : [[option.attributeName(), option.defaultValue as unknown]],
  ),
);
const COMMON = {
  out: "results",
  keys: "F16",
  values: "F16",
  gpu: "auto",
  seed: "1",
};

const common = (model?: string, environment: NodeJS.ProcessEnv = {}) =>
  parseCommonOptions({ ...COMMON, ...(model !== undefined && { model }) }, environment);
const parse = (raw: object, shared = common("model.gguf")) =>
  parseChatEvalOptions({ ...DEFAULTS, model: "model.gguf", ...raw }, shared);

describe("the options of chat-eval", () => {
  test("have defaults", async () => {
    const { policy, ...rest } = await parse({});
    expect(policy.name).toBe("pinned(turn-aligned(sink-window))");
    expect(rest).toEqual({
      questions: undefined,
      turns: undefined,
      maxTokens: CHAT_EVAL_DEFAULTS.maxTokens,
      budget: undefined,
      system: CHAT_EVAL_DEFAULTS.system,
      session: true,
    });
  });

  test("are taken", async () => {
    const given = { turns: "40", maxTokens: "24", budget: "512", policy: "pinned(window)", session: false };
    const { policy, ...rest } = await parse({ ...given, system: "Be kind." });
    expect(policy.name).toBe("pinned(window)");
    expect(rest).toMatchObject({ turns: 40, maxTokens: 24, budget: 512, session: false, system: "Be kind." });
  });

  test.each([
    [{ turns: "0" }, "turns", "--turns must be a whole number"],
    [{ maxTokens: "many" }, "maxTokens", "--max-tokens must be a whole number"],
    [{ budget: "1.5" }, "budget", "--budget must be a whole number"],
    [{ policy: "sinks" }, "policy", "--policy sinks cannot be read"],
    [{ system: " " }, "system", "--system must say something"],
    [{ questions: "" }, "questions", "--questions must name a file"],
  ])("refuses %o", async (raw, option, message) => {
    await expect(parse(raw)).rejects.toMatchObject({
      code: "config",
      details: { option },
      message: expect.stringContaining(message) as string,
    });
  });

  test("need a model that someone named", async () => {
    const missing = parseChatEvalOptions(DEFAULTS, common());
    await expect(missing).rejects.toMatchObject({
      code: "config",
      details: { option: "model" },
      message: expect.stringMatching(/^--model is missing/) as string,
    });
    const fromEnvironment = common(undefined, { KVPOLICY_MODEL: "model.gguf" });
    await expect(parseChatEvalOptions(DEFAULTS, fromEnvironment)).resolves.toBeDefined();
    await expect(parse({ model: "tiny:sink" }, common("tiny:sink"))).resolves.toBeDefined();
  });
});

describe("the questions of chat-eval", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvpolicy-questions-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const prepare = (questions: string) =>
    chatEvalCommand.prepare({ ...DEFAULTS, model: "model.gguf", questions }, common("model.gguf"));

  test("are read before anything is loaded", async () => {
    const file = join(folder, "bad.jsonl");
    await writeFile(file, '{"question_id": 1, "category": "a", "turns": ["b"]}\n{"question_id": 2}\n');
    await expect(prepare(file)).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(/^Line 2 of the questions/) as string,
    });
  });

  test("are named without their folder when they cannot be read", async () => {
    const error: unknown = await prepare(join(folder, "none.jsonl")).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "config", details: { option: "questions", value: "none.jsonl" } });
    expect(String(error)).not.toContain(folder);
  });
});
