import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { parseResults, type StreamResults } from "@kvpolicy/bench";
import { tinyModels } from "@kvpolicy/tiny-models";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

import { CommandRunner, interrupt } from "./testing/command-runner.js";

/** A run that nobody waits for. */
const ENDLESS = "stream --tokens 100000 --policy recompute --budget 200".split(" ");
/** The first line of progress. */
const isAtWork = ({ errors }: { readonly errors: string }): boolean => errors.includes("%,");

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

async function readResults(out: string): Promise<StreamResults> {
  return streamOf(await readFile(join(directory, out, "results.json"), "utf8"));
}

function streamOf(text: string): StreamResults {
  const results = parseResults(JSON.parse(text)).experiments[0];
  if (results?.experiment !== "stream") throw new Error("no results of stream");
  return results;
}

describe("kvpolicy", () => {
  it("tells its version and its options", async () => {
    const version = await runner.run(["--version"]);
    expect(version.code).toBe(0);
    expect(version.output).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = await runner.run(["stream", "--help"]);
    expect(help.code).toBe(0);
    for (const option of [
      "--text",
      "--model",
      "--policy",
      "--budget",
      "--stride",
      "--tokens",
      "--out",
      "--seed",
    ]) {
      expect(help.output).toContain(option);
    }
    expect((await runner.run(["--help"])).output).toContain("stream");
  });
});

describe("kvpolicy stream", () => {
  it("reads a little with the tiny model and writes results and a report", async () => {
    const words = "stream --tokens 90 --budget 24 --stride 1 --out small";
    const { code, output } = await runner.run(words.split(" "));
    expect(code).toBe(0);
    for (const name of ["dense", "window", "recompute", "sink-window"]) expect(output).toContain(name);
    const results = await readResults("small");
    expect(results.partial).toBe(false);
    expect(results.command).toBe(`kvpolicy ${words}`);
    expect(results.policies.map(({ status, tokens }) => [status, tokens])).toEqual(
      Array(4).fill(["complete", 90]),
    );
    // A BOS, then 90 tokens: positions 24 to 90.
    expect(results.policies.map(({ perplexity }) => perplexity.full.tokens)).toEqual(Array(4).fill(67));
    expect(results.policies.map(({ evictions }) => evictions)).toEqual([0, 67, 67, 67]);
    expect(results.model).toMatchObject({
      sha256: tinyModels.sink.sha256,
      disclosure: tinyModels.sink.disclosure,
    });
    expect(await readFile(join(directory, "small", "report.html"), "utf8")).toContain("<svg");
    expect(JSON.stringify(results)).not.toContain(directory);
  });

  it("reads standard input, and says when the text is shorter than the budget", async () => {
    const { code, output } = await runner.run(["stream", "--text", "-", "--out", "input"], {
      input: "A whale.",
    });
    expect(code).toBe(0);
    expect(output).toContain("nothing was evicted");
  });

  it("prints nothing but JSON when asked", async () => {
    const words = [
      "stream",
      "--json",
      "--tokens",
      "40",
      "--budget",
      "16",
      "--policy",
      "window",
      "--out",
      "json",
    ];
    const { code, output, errors } = await runner.run(words);
    expect(code).toBe(0);
    expect(errors).toBe("");
    expect(streamOf(output).policies).toHaveLength(1);
  });

  it("keeps what was measured after Ctrl-C", async () => {
    const { code, output, errors } = await runner.run([...ENDLESS, "--out", "cut"], {
      signalAfter: interrupt(isAtWork),
    });
    expect(errors).toContain("Stopping");
    expect(code).toBe(130);
    expect(output).toContain("Partial");
    const results = await readResults("cut");
    expect(results.partial).toBe(true);
    expect(results.policies[0]?.status).toBe("partial");
    expect(results.policies[0]?.tokens).toBeGreaterThan(0);
    expect(results.policies[0]?.tokens).toBeLessThan(100_000);
  });

  it("ends at once at the second Ctrl-C", async () => {
    expect(
      await runner.run([...ENDLESS, "--out", "killed"], { signalAfter: interrupt(isAtWork, 2) }),
    ).toMatchObject({
      code: null,
      signal: "SIGINT",
    });
  });

  it("refuses input that cannot work with one line and exit code 2", async () => {
    const model = await readFile(tinyModels.sink.url);
    await writeFile(join(directory, "truncated.gguf"), model.subarray(0, model.length / 2));
    await writeFile(join(directory, "damaged.gguf"), model.subarray(0, model.length - 1000));
    await writeFile(join(directory, "no.gguf"), "this is not a model");
    await writeFile(join(directory, "empty.txt"), "");
    const cases: [string[], string][] = [
      [["--text", "missing.txt"], "missing.txt"],
      [["--text", "empty.txt"], "empty"],
      [["--model", "missing.gguf"], "missing.gguf"],
      [["--model", "truncated.gguf"], "truncated.gguf"],
      [["--model", "damaged.gguf"], "damaged.gguf"],
      [["--model", "no.gguf"], "not a GGUF"],
      [["--budget", "0"], "--budget"],
      [["--policy", "streaming"], 'no policy "streaming"'],
      [["--nonsense"], "--nonsense"],
    ];
    for (const [words, problem] of cases) {
      const { code, output, errors } = await runner.run(["stream", "--tokens", "10", ...words]);
      expect([words, code]).toEqual([words, 2]);
      expect(output).toBe("");
      expect(errors.trimEnd().split("\n")).toHaveLength(1);
      expect(errors).toContain(problem);
      expect(errors).not.toContain(directory);
    }
  });
});
