import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { randomModel, uint32, type RandomModelOptions } from "@kvpolicy/reference-backend/testing";
import { tinyModels } from "@kvpolicy/tiny-models";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { CommandRunner, type Ended } from "./testing/command-runner.js";

let runner: CommandRunner;
let directory: string;
beforeAll(async () => {
  runner = await CommandRunner.create();
  directory = runner.directory;
});
afterAll(() => runner.dispose());

function inspect(...words: string[]): Promise<Ended> {
  return runner.run(["inspect", "--gpu", "false", ...words]);
}

function save(name: string, options: RandomModelOptions): Promise<void> {
  return writeFile(join(directory, name), randomModel(options));
}

describe("kvpolicy inspect", () => {
  it("ends with 0 for the model in the box, and shows that it was tried", async () => {
    const { code, output, errors } = await inspect("tiny:sink");
    expect([code, errors]).toEqual([0, ""]);
    expect(output).toMatch(/^window, sink-window +chunked +F16 keys are rounded/m);
    expect(output).toMatch(/^self-test +passed: error 0\.\d+ %/m);
    expect(output).toMatch(/^probe +completed$/m);
  });

  it("ends with 2 and the reason for a model with sliding windows, which decodes all the same", async () => {
    await save("windows.gguf", {
      architecture: "mimo2",
      layers: 4,
      metadata: { "mimo2.attention.sliding_window": uint32(24) },
    });
    const { code, output, errors } = await inspect("windows.gguf");
    expect([code, errors]).toEqual([2, ""]);
    expect(output).toMatch(/^window, sink-window +unsupported +layers with a sliding window of 24 tokens/m);
    expect(output).toMatch(/^recompute +exact/m);
    expect(output).toMatch(/mimo2\.attention\.sliding_window = 24/);
    expect(output).toMatch(/^probe +completed$/m);
  });

  it("prints nothing but JSON when asked, without a probe the metadata alone", async () => {
    const tried = await inspect("tiny:sink", "--json", "--keys", "F32", "--flash-attention");
    expect(tried).toMatchObject({ code: 0, errors: "" });
    expect(JSON.parse(tried.output)).toMatchObject({
      model: "sink.gguf",
      keyType: "F32",
      flashAttention: true,
      reuse: { fidelity: "exact" },
      selfTest: { passed: true },
      probe: "completed",
    });
    const read = await inspect("tiny:sink", "--json", "--no-probe");
    expect(JSON.parse(read.output)).toMatchObject({ selfTest: null, probe: "skipped" });
    expect(read.output).not.toContain(directory);
  });

  it("survives a model that ends the process, and says so", async () => {
    // A head that is rotated in part fails an assertion of llama.cpp's graph when a context is made.
    await save("assertion.gguf", {
      architecture: "llama",
      architectureName: "qwen2",
      biases: true,
      metadata: { "qwen2.rope.dimension_count": uint32(8) },
    });
    const { code, output, errors } = await inspect("assertion.gguf", "--json");
    expect([code, errors]).toEqual([2, ""]);
    const { reuse, recompute, dense, probe } = JSON.parse(output) as Record<string, { reason: string }>;
    expect(probe).toMatch(
      /^the probe ended the process \(signal SIGABRT\): GGML_ASSERT\(n_embd_head == n_rot\) failed$/,
    );
    for (const verdict of [reuse, recompute, dense])
      expect(verdict).toMatchObject({ fidelity: "unsupported", reason: probe });
    expect((await inspect("assertion.gguf", "--no-probe")).code).toBe(0);
  });

  it("refuses input that cannot work with one line and exit code 2", async () => {
    const model = await readFile(tinyModels.sink.url);
    await writeFile(join(directory, "truncated.gguf"), model.subarray(0, model.length / 2));
    await save("unknown.gguf", { architecture: "llama", architectureName: "no-such-architecture" });
    for (const [words, problem] of [
      [["missing.gguf"], "missing.gguf"],
      [["truncated.gguf"], "truncated"],
      [["tiny:none"], "tiny:sink"],
      [["unknown.gguf"], "llama.cpp refuses the model file unknown.gguf"],
      [["tiny:sink", "--keys", "Q5"], "--keys"],
      [["tiny:sink", "--gpu", "metal"], "--gpu metal cannot be had here"],
      [[], "missing required argument 'model'"],
    ] as const) {
      const { code, output, errors } = await inspect(...words);
      expect([words, code, output]).toEqual([words, 2, ""]);
      expect(errors.trimEnd().split("\n")).toHaveLength(1);
      expect(errors).toContain(problem);
      expect(errors).not.toContain(directory);
    }
  });
});
