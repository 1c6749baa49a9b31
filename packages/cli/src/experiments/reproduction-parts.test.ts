import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import type { ExperimentResults, ReproductionPart } from "@kvpolicy/bench";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { COMMON_DEFAULTS, commonOptions, parseCommonOptions, type CommonOptions } from "../common-options.js";
import type { ExperimentCommand, Laboratory } from "../experiment-command.js";
import { EXPERIMENT_COMMANDS } from "../experiment-commands.js";
import { createReproductionParts, type ReproductionPlan } from "./reproduction-parts.js";

const TRAINED = 300;
const MINUTES = 2;

/** A folder whose name a shell would take apart. */
let folder: string;
let text: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy it's "));
  text = join(folder, "my text's.txt");
  await writeFile(text, "Once upon a time.");
});
afterAll(() => rm(folder, { recursive: true }));

/** The options that all experiments share, as a command line without the given ones has them. */
function common(changes: Record<string, string> = {}): CommonOptions {
  const defaults = { keys: "F16", values: "F16", gpu: "auto", seed: "1" };
  return parseCommonOptions(
    { ...defaults, model: join(folder, "my model.gguf"), out: join(folder, "out"), ...changes },
    {},
  );
}

/** As much of a laboratory as is looked at before anything is run. */
function laboratoryWith(shared = common(), tokenizer: object = { chat_template: "a template" }): Laboratory {
  return {
    common: shared,
    loaded: { model: { trainContextSize: TRAINED, fileInfo: { metadata: { tokenizer } } } },
    surroundings: { command: "kvpolicy reproduce" },
  } as unknown as Laboratory;
}

function planFor(changes: Partial<ReproductionPlan> = {}): ReproductionPlan {
  const pace = { read: 4, decode: 10 };
  return { laboratory: laboratoryWith(), text, budget: 256, stride: 64, pace, ...changes };
}

/** What a part would have commander parse, and the line in its results. */
interface Typed {
  readonly command: ExperimentCommand;
  readonly words: Record<string, unknown>;
  readonly line: string;
}

/** Runs a part as far as its command. */
async function typedBy(
  part: ReproductionPart,
  { laboratory }: ReproductionPlan,
  minutes = MINUTES,
): Promise<Typed> {
  const command = EXPERIMENT_COMMANDS.find(({ name }) => name === part.experiment)!;
  let [words, line]: [Record<string, unknown>, string] = [{}, ""];
  const prepare = vi.spyOn(command, "prepare").mockImplementation((raw) => {
    words = raw as typeof words;
    return Promise.resolve(({ surroundings }: Laboratory) => {
      line = surroundings.command;
      return Promise.resolve({} as ExperimentResults);
    });
  });
  try {
    await part.run(minutes, laboratory);
  } finally {
    prepare.mockRestore();
  }
  return { command, words, line };
}

async function wordsOf(
  experiment: ExperimentResults["experiment"],
  plan: ReproductionPlan,
  minutes?: number,
): Promise<Record<string, unknown>> {
  const part = createReproductionParts(plan).find((one) => one.experiment === experiment)!;
  return (await typedBy(part, plan, minutes)).words;
}

/** The words of a line, as a shell takes it apart. */
function splitLine(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|\\'|[^\s'])+/g)].map(([word]) =>
    word.replaceAll(/'([^']*)'|\\(')/g, "$1$2"),
  );
}

function parse({ command, line }: Typed): Record<string, unknown> {
  const parser = new Command(command.name).exitOverride();
  for (const option of [...command.options, ...commonOptions()]) parser.addOption(option);
  const [program, name, ...words] = splitLine(line);
  expect([program, name]).toEqual(["kvpolicy", command.name]);
  return parser.parse(words, { from: "user" }).opts();
}

function withoutFolder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutFolder);
  return typeof value === "string" && value.startsWith(folder) ? basename(value) : value;
}

describe("the line in the results of each part", () => {
  it.each<[Record<string, string>, string]>([
    [{}, "defaults"],
    [{ keys: "F32", values: "F32", threads: "3", gpu: "false", seed: "7" }, "all that experiments share"],
    [{ model: "tiny:plain", threads: "1" }, "a tiny model"],
    [{ model: "hf:user/repo/file.gguf" }, "a model that is fetched"],
  ])("says what was run, and no folder: %j, %s", async (changes) => {
    const shared = common(changes);
    const plan = planFor({ laboratory: laboratoryWith(shared) });
    const parts = createReproductionParts(plan);
    expect(parts).toHaveLength(7);
    for (const part of parts) {
      const typed = await typedBy(part, plan);
      const { command, words, line } = typed;
      expect(line).not.toContain(folder);
      expect(line).not.toContain(basename(folder));
      const parsed = parse(typed);
      for (const option of command.options) {
        const attribute = option.attributeName();
        const word = withoutFolder(words[attribute]) ?? (option.negate ? true : undefined);
        expect({ name: command.name, attribute, word: parsed[attribute] }).toEqual({
          name: command.name,
          attribute,
          word,
        });
      }
      const again = parseCommonOptions(parsed, { KVPOLICY_MODEL: "another.gguf" });
      expect(again).toEqual({ ...shared, model: withoutFolder(shared.model), out: COMMON_DEFAULTS.out });
      // A part reads the text where it lies.
      const raw = { ...parsed, ...("text" in words && { text: words["text"] }) };
      expect(await command.prepare(raw, again)).toBeTypeOf("function");
    }
  });

  it("leaves out what is the default", async () => {
    const lineWith = async (changes: Record<string, string>): Promise<string> => {
      const plan = planFor({ text: undefined, laboratory: laboratoryWith(common(changes)) });
      const [, sinks] = createReproductionParts(plan);
      return (await typedBy(sinks!, plan)).line;
    };
    expect(await lineWith({})).toMatch(
      /^kvpolicy sinks --tokens \d+ --budget 256 --stride 64 --draws 1 --model 'my model\.gguf'$/,
    );
    expect(await lineWith({ threads: "1" })).toMatch(/ --threads 1$/);
    expect(await lineWith({ model: "tiny:plain" })).toMatch(/ --model tiny:plain$/);
  });
});

describe("the sizes of the parts", () => {
  it("leave the checkpoint of a soak of its own alone", async () => {
    const { checkpoint, fresh } = await wordsOf("soak", planFor());
    expect([checkpoint, fresh]).toEqual([join(folder, "out", "reproduce-soak.snapshot"), true]);
  });

  it.each([
    [256, 0.001, 1, 2823],
    [256, 1000, 1, 49_991],
    [4096, 0.001, 1, 4167],
    [4160, 0.001, 1, 4231],
  ])(
    "let passes of a soak begin all over the strides: budget %i, %f minutes",
    async (budget, minutes, read, least) => {
      const words = await wordsOf("soak", planFor({ budget, pace: { read, decode: 10 } }), minutes);
      const [pass, tokens] = [Number(words["passTokens"]), Number(words["tokens"])];
      expect(pass).toBe(least);
      expect(pass % 64).toBe(7);
      expect(pass).toBeGreaterThan(budget);
      expect(tokens).toBeGreaterThanOrEqual(4 * pass);
      expect(words["rounds"]).toBe(tokens < 1_000_000 ? "0" : "50");
    },
  );

  it("keep the record of lines to budgets that hold some and do not take long", async () => {
    const budgets = [];
    for (const budget of [128, 300, 4096])
      budgets.push((await wordsOf("stream-eval", planFor({ budget })))["budget"]);
    expect(budgets).toEqual(["256", "300", "512"]);
    expect((await wordsOf("stream-eval", planFor()))["stride"]).toBe("16");
  });

  it("keep a conversation within the trained length, and leave it out without a template", async () => {
    expect((await wordsOf("chat-eval", planFor()))["budget"]).toBe(String(TRAINED));
    const leftOut = (plan: ReproductionPlan): unknown =>
      createReproductionParts(plan).flatMap((part) =>
        part.leftOut === undefined ? [] : [[part.experiment, part.leftOut]],
      );
    expect(leftOut(planFor())).toEqual([]);
    const plain = laboratoryWith(common(), {});
    expect(leftOut(planFor({ laboratory: plain }))).toEqual([
      ["chat-eval", "The model has no chat template."],
    ]);
  });

  it("grow with the time", async () => {
    const [short, long] = [
      await wordsOf("perplexity", planFor(), 0.01),
      await wordsOf("perplexity", planFor(), 3),
    ];
    expect(short["tokens"]).toBe("768");
    // 3 minutes of 4 ms, read 8.5 times.
    expect(long["tokens"]).toBe("5294");
    expect((await wordsOf("perplexity", planFor(), 300))["tokens"]).toBe("20000");
  });
});
