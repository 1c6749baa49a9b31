import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { parseResults, type ExperimentResults } from "@kvpolicy/bench";
import { randomModel, uint32 } from "@kvpolicy/reference-backend/testing";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

import { CommandRunner, interrupt } from "./testing/command-runner.js";

const SMALL = "--budget 48 --stride 2 --tokens 500".split(" ");

let runner: CommandRunner;
let directory: string;
beforeAll(async () => {
  runner = await CommandRunner.create();
  directory = runner.directory;
});
afterEach(() => {
  runner.killAll();
});
afterAll(() => runner.dispose());

async function readResults(out: string): Promise<readonly ExperimentResults[]> {
  return parseResults(JSON.parse(await readFile(join(directory, out, "results.json"), "utf8"))).experiments;
}

describe("the experiments of kvpolicy", () => {
  it("have a help of their own", async () => {
    const { output } = await runner.run(["--help"]);
    for (const name of [
      "perplexity",
      "probe",
      "sinks",
      "budgets",
      "latency",
      "stream-eval",
      "chat-eval",
      "soak",
      "reproduce",
    ]) {
      expect(output).toMatch(new RegExp(`^ {2}${name} `, "m"));
      expect((await runner.run([name, "--help"])).output).toContain("--model");
    }
  });

  it("gather in one report, each with the command that made it", async () => {
    for (const name of ["probe", "budgets"]) {
      const sizes = name === "probe" ? SMALL : ["--budgets", "24,48", "--stride", "2", "--tokens", "500"];
      const { code, output } = await runner.run([name, ...sizes, "--out", "gathered"]);
      expect([name, code]).toEqual([name, 0]);
      expect(output).toContain("→");
    }
    const results = await readResults("gathered");
    expect(results.map(({ experiment }) => experiment)).toEqual(["probe", "budgets"]);
    const report = await readFile(join(directory, "gathered", "report.html"), "utf8");
    for (const { command } of results) expect(report).toContain(command);
    expect(report).not.toContain(directory);
  });

  it("print nothing but JSON when asked", async () => {
    const { code, output, errors } = await runner.run(["probe", ...SMALL, "--json", "--out", "json"]);
    expect([code, errors]).toEqual([0, ""]);
    expect(parseResults(JSON.parse(output)).experiments).toEqual(await readResults("json"));
  });

  it("keep what was measured after Ctrl-C, marked as partial", async () => {
    const words =
      "perplexity --policy recompute --policy sink-window --budgets 200 --stride 1 --tokens 100000";
    const { code, errors, output } = await runner.run([...words.split(" "), "--out", "cut"], {
      signalAfter: interrupt((written) => written.errors.includes(" left; ")),
    });
    expect(errors).toContain("Stopping");
    expect(code).toBe(130);
    expect(output).toContain("Partial");
    const [results] = await readResults("cut");
    expect(results?.partial).toBe(true);
  });

  it("leave results of another version alone", async () => {
    await runner.run(["probe", ...SMALL, "--out", "version"]);
    const file = join(directory, "version", "results.json");
    const old = (await readFile(file, "utf8")).replace('"schemaVersion": 2', '"schemaVersion": 1');
    await writeFile(file, old);
    const { code, output, errors } = await runner.run(["probe", ...SMALL, "--out", "version"]);
    expect([code, output]).toEqual([2, ""]);
    expect(errors).toContain("version 2");
    expect(await readFile(file, "utf8")).toBe(old);
  });

  it("do not put what was measured before Ctrl-C in place of complete results", async () => {
    const words = ["perplexity", "--policy", "sink-window", "--stride", "1", "--out", "kept"];
    const { code } = await runner.run([...words, "--budgets", "24", "--tokens", "60"]);
    expect(code).toBe(0);
    const before = await readResults("kept");
    const cut = await runner.run([...words, "--budgets", "200", "--tokens", "100000"], {
      signalAfter: interrupt((written) => written.errors.includes(" left; ")),
    });
    expect(cut.code).toBe(130);
    expect(cut.output).toContain("Partial");
    expect(cut.errors).toContain("has complete results of this experiment");
    expect(await readResults("kept")).toEqual(before);
  });

  it("keep the results where the report cannot be written, and say which file could not", async () => {
    await mkdir(join(directory, "blocked", "report.html"), { recursive: true });
    const { code, errors, output } = await runner.run(["probe", ...SMALL, "--out", "blocked"]);
    expect(code).toBe(2);
    expect(errors).toMatch(/cannot be written to .*report\.html/);
    expect(output).toContain("→");
    expect((await readResults("blocked")).map(({ experiment }) => experiment)).toEqual(["probe"]);
  });

  it("go on with the policies that a model can run, and say why another cannot", async () => {
    const windows = {
      architecture: "mimo2",
      layers: 4,
      metadata: { "mimo2.attention.sliding_window": uint32(24) },
    } as const;
    await writeFile(join(directory, "windows.gguf"), randomModel(windows));
    const words =
      "perplexity --model windows.gguf --gpu false --budgets 24 --stride 4 --tokens 60 --out windows";
    const { code, output } = await runner.run(words.split(" "));
    expect(code).toBe(0);
    expect(output).toMatch(/sink-window stopped after 0 tokens \(unsupported\): .*sliding window/);
    const [results] = await readResults("windows");
    const policies = results?.experiment === "perplexity" ? (results.comparisons[0]?.policies ?? []) : [];
    expect(policies.map(({ name, status }) => [name, status])).toEqual([
      ["dense", "complete"],
      ["window", "failed"],
      ["recompute", "complete"],
      ["sink-window", "failed"],
    ]);
    const alone = await runner.run([...words.split(" "), "--policy", "sink-window"]);
    expect(alone.code).toBe(2);
    expect(alone.output).toMatch(/sink-window stopped after 0 tokens/);
  });

  it("refuse input that cannot work with one line and exit code 2", async () => {
    const cases: [string[], string][] = [
      [["perplexity", "--policy", "sink-windw"], "sink-window"],
      [["perplexity", "--budgets", "256,,512"], "--budgets"],
      [["perplexity", "--budgets", "256,256"], "none twice"],
      [["perplexity", "--budgets", "-1"], "--budgets"],
      [["perplexity", "--reference", "dens"], "reference"],
      [["sinks", "--sinks", "4"], "at least two"],
      [["probe", "--budget", "9", "--sinks", "0,8"], "no window"],
      [["latency", "--budgets", "many"], "--budgets"],
      [["soak", "--tokens", "0"], "--tokens"],
      [["chat-eval"], "--model"],
      [["reproduce", "--minutes", "0"], "--minutes"],
      [["budgets", "--text", "missing.txt"], "missing.txt"],
    ];
    for (const [words, problem] of cases) {
      const { code, output, errors } = await runner.run([...words, "--out", "refused"]);
      expect([words, code, output]).toEqual([words, 2, ""]);
      expect(errors.trimEnd().split("\n")).toHaveLength(1);
      expect(errors).toContain(problem);
    }
  });
});
