import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { parseResults, type Results } from "@kvpolicy/bench";
import { tinyModels } from "@kvpolicy/tiny-models";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
  readonly errors: string;
}

/** A run that nobody waits for. */
const ENDLESS = "stream --tokens 100000 --policy recompute --budget 200".split(" ");

const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
});

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "kvpolicy-cli-"));
});
afterAll(() => rm(directory, { recursive: true }));

function kvpolicy(words: readonly string[], { input = "", interrupts = 0 } = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...words], {
      cwd: directory,
      env: { ...process.env, KVPOLICY_MODEL: "", NO_COLOR: "1" },
    });
    running.add(child);
    let output = "";
    let errors = "";
    child.stdout.on("data", (data: Buffer) => (output += data.toString()));
    child.stderr.on("data", (data: Buffer) => {
      errors += data.toString();
      if (interrupts > 0 && errors.includes("%,")) {
        interrupts -= 1;
        child.kill("SIGINT");
      }
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      running.delete(child);
      resolve({ code, signal, output, errors });
    });
    child.stdin.end(input);
  });
}

async function readResults(out: string): Promise<Results> {
  return parseResults(JSON.parse(await readFile(join(directory, out, "results.json"), "utf8")));
}

describe("kvpolicy", () => {
  it("tells its version and its options", async () => {
    const version = await kvpolicy(["--version"]);
    expect(version.code).toBe(0);
    expect(version.output).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = await kvpolicy(["stream", "--help"]);
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
    expect((await kvpolicy(["--help"])).output).toContain("stream");
  });
});

describe("kvpolicy stream", () => {
  it("reads a little with the tiny model and writes results and a report", async () => {
    const words = "stream --tokens 90 --budget 24 --stride 1 --out small";
    const { code, output } = await kvpolicy(words.split(" "));
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
    const { code, output } = await kvpolicy(["stream", "--text", "-", "--out", "input"], {
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
    const { code, output, errors } = await kvpolicy(words);
    expect(code).toBe(0);
    expect(errors).toBe("");
    expect(parseResults(JSON.parse(output)).policies).toHaveLength(1);
  });

  it("keeps what was measured after Ctrl-C", async () => {
    const { code, output, errors } = await kvpolicy([...ENDLESS, "--out", "cut"], { interrupts: 1 });
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
    expect(await kvpolicy([...ENDLESS, "--out", "killed"], { interrupts: 2 })).toMatchObject({
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
      const { code, output, errors } = await kvpolicy(["stream", "--tokens", "10", ...words]);
      expect([words, code]).toEqual([words, 2]);
      expect(output).toBe("");
      expect(errors.trimEnd().split("\n")).toHaveLength(1);
      expect(errors).toContain(problem);
      expect(errors).not.toContain(directory);
    }
  });
});
