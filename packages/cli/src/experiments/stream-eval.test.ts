import { KVPolicyError } from "@kvpolicy/core";
import { Command } from "commander";
import { describe, expect, it } from "vitest";

import { parseStreamEvalOptions, streamEvalCommand, type StreamEvalCommandOptions } from "./stream-eval.js";

const TINY = { isTiny: true, defaults: { budget: 128, stride: 2 } };
const OTHER = { isTiny: false, defaults: { budget: 256, stride: 16 } };

/** The options as commander parses them. */
function parse(line: string, common = TINY): Promise<StreamEvalCommandOptions> {
  const command = new Command().exitOverride();
  for (const option of streamEvalCommand.options) command.addOption(option);
  command.parse(
    line.split(" ").filter((word) => word !== ""),
    { from: "user" },
  );
  return parseStreamEvalOptions(command.opts(), common);
}

describe("kvpolicy stream-eval", () => {
  it("has defaults", async () => {
    const { policies, ...rest } = await parse("");
    expect(policies.map(({ name }) => name)).toEqual(["window", "sink-window"]);
    const defaults = { budget: 256, digits: 5, every: 10, accuracy: true };
    expect(rest).toEqual({ ...defaults, distances: undefined, lines: undefined, margins: undefined });
    expect(await parse("", OTHER)).toMatchObject({ budget: 512 });
    expect(await parseStreamEvalOptions({}, TINY)).toMatchObject(defaults);
  });

  it("takes what is named", async () => {
    const options = await parse(
      "--policy recompute --policy dense --budget 64 --stride 4 --distances 2,30 --digits 3 --every 5 --lines 90 --margins 7 --no-accuracy",
    );
    expect(options).toMatchObject({
      policies: [{ name: "recompute" }, { name: "dense" }],
      budget: 64,
      distances: [2, 30],
      digits: 3,
      every: 5,
      lines: 90,
      margins: 7,
      accuracy: false,
    });
    const [policy] = options.policies;
    expect(policy?.create({ findTokens: () => [] }).describe().options["stride"]).toBe(4);
  });

  it("takes a stride of half the window", async () => {
    const { policies } = await parse("--stride half");
    const strides = policies.map(
      ({ create }) => create({ findTokens: () => [] }).describe().options["stride"],
    );
    expect(strides).toEqual(["half", "half"]);
  });

  it.each([
    ["--digits 10", "digits", "--digits must be at most 9"],
    ["--digits 0", "digits", "--digits must be a whole number of at least 1"],
    ["--distances 2,2", "distances", "none twice"],
    ["--distances 0", "distances", "at least 1"],
    ["--every 0", "every", "--every must be"],
    ["--stride third", "stride", "--stride must be half or a whole number"],
    ["--lines none", "lines", "--lines must be"],
    ["--margins -1", "margins", "--margins must be"],
    ["--budget 0", "budget", "--budget must be"],
    ["--policy nothing", "policy", "there is no policy"],
    ["--policy window --policy window", "policy", "given twice"],
    ["--budget 4", "policy", "cannot work with a budget of 4"],
  ])("refuses %s before anything is loaded", async (line, option, message) => {
    const refused: unknown = await parse(line).catch((error: unknown) => error);
    expect(KVPolicyError.isInstance(refused, "config")).toBe(true);
    expect((refused as KVPolicyError<"config">).details.option).toBe(option);
    expect((refused as Error).message).toContain(message);
  });
});
