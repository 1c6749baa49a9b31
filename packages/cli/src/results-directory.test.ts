import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { parseResults, type ExperimentResults } from "@kvpolicy/bench";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { ResultsDirectory } from "./results-directory.js";
import { probe } from "./testing/probe-results.js";

function otherModel(): ExperimentResults {
  const { model } = probe();
  return probe({ model: { ...model, name: "other.gguf", sha256: "c".repeat(64) } });
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-results-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function stored(directory: ResultsDirectory): Promise<readonly ExperimentResults[]> {
  return parseResults(JSON.parse(await readFile(directory.resultsFile, "utf8"))).experiments;
}

describe("ResultsDirectory", () => {
  it("makes a directory that is not there, and writes nothing before there is something", async () => {
    const path = join(folder, "deep", "er");
    const directory = await ResultsDirectory.open(path);
    expect(await readdir(path)).toEqual([]);
    await directory.add(probe());
    expect((await readdir(path)).sort()).toEqual(["report.html", "results.json"]);
    expect(await stored(directory)).toEqual([probe()]);
    expect(await readFile(directory.reportFile, "utf8")).toContain(
      "<h1>KV-cache policies on model.gguf</h1>",
    );
  });

  it("keeps what another command has added since it was opened", async () => {
    const [one, other] = [await ResultsDirectory.open(folder), await ResultsDirectory.open(folder)];
    await one.add(probe());
    await other.add(otherModel());
    expect(await stored(other)).toEqual([otherModel(), probe()]);
  });

  it("goes on with what lies there: other results stay, the same ones are replaced", async () => {
    await (await ResultsDirectory.open(folder)).add(probe());
    await (await ResultsDirectory.open(folder)).add(otherModel());
    const directory = await ResultsDirectory.open(folder);
    expect(await stored(directory)).toEqual([otherModel(), probe()]);
    const again = probe({ milliseconds: 2 });
    await directory.add(again);
    expect(await stored(directory)).toEqual([again, otherModel()]);
    const report = await readFile(directory.reportFile, "utf8");
    expect(report.match(/<section /g)).toHaveLength(2);
    expect((await readdir(folder)).sort()).toEqual(["report.html", "results.json"]);
  });

  it("says whether results were written: partial ones do not replace complete ones", async () => {
    const directory = await ResultsDirectory.open(folder);
    expect(await directory.add(probe({ partial: true }))).toBe(true);
    expect(await directory.add(probe({ partial: true, milliseconds: 2 }))).toBe(true);
    expect(await directory.add(probe())).toBe(true);
    const before = await readFile(directory.reportFile, "utf8");
    expect(await directory.add(probe({ partial: true }))).toBe(false);
    expect(await stored(directory)).toEqual([probe()]);
    expect(await readFile(directory.reportFile, "utf8")).toBe(before);
  });

  it("has the results safe when no report can be made of them", async () => {
    const directory = await ResultsDirectory.open(folder);
    const broken = { ...probe(), need: undefined } as unknown as ExperimentResults;
    await expect(directory.add(broken)).rejects.toThrow(TypeError);
    expect(await readdir(folder)).toEqual(["results.json"]);
    const written = JSON.parse(await readFile(directory.resultsFile, "utf8")) as { experiments: unknown };
    expect(written.experiments).toEqual([broken]);
  });

  it("adds several results one after the other", async () => {
    const directory = await ResultsDirectory.open(folder);
    await directory.add(probe({ partial: true }));
    await directory.add(otherModel());
    await directory.add(probe());
    expect(await stored(directory)).toEqual([probe(), otherModel()]);
  });

  it.each([
    [
      "of another version",
      JSON.stringify({ schemaVersion: 1, experiments: [probe()] }),
      /version 2: schemaVersion/,
    ],
    [
      "with a field missing",
      JSON.stringify({ schemaVersion: 2, experiments: [{ ...probe(), need: 1 }] }),
      /need/,
    ],
    ["that are no JSON", "{", /no JSON/],
    ["of no bytes", "", /no JSON/],
  ])("refuses results %s, and leaves the file", async (_, content, message) => {
    const file = join(folder, "results.json");
    await writeFile(file, content);
    await expect(ResultsDirectory.open(folder)).rejects.toMatchObject({
      code: "config",
      details: { option: "out", value: folder },
      message: expect.stringMatching(message) as string,
    });
    await expect(ResultsDirectory.open(folder)).rejects.toThrow(/Move it away, or name another directory/);
    expect(await readFile(file, "utf8")).toBe(content);
    expect(await readdir(folder)).toEqual(["results.json"]);
  });

  it("refuses results that cannot be read", async () => {
    await mkdir(join(folder, "results.json"));
    await expect(ResultsDirectory.open(folder)).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(/results\.json cannot be read: .*EISDIR/) as string,
    });
  });

  it("refuses a path on which a file lies, in its place or above it", async () => {
    const file = join(folder, "file");
    await writeFile(file, "mine");
    for (const path of [file, join(file, "below")]) {
      await expect(ResultsDirectory.open(path)).rejects.toMatchObject({
        code: "config",
        details: { option: "out", value: path },
        message: expect.stringMatching(/cannot be written to .*(EEXIST|ENOTDIR)/) as string,
      });
    }
    expect(await readFile(file, "utf8")).toBe("mine");
  });

  it.each(["results.json", "report.html"])(
    "leaves an old %s whole when the new one cannot be written",
    async (name) => {
      const directory = await ResultsDirectory.open(folder);
      await directory.add(probe());
      const before = await readFile(join(folder, name), "utf8");
      const temporary = join(folder, `${name}.${process.pid}.new`);
      await mkdir(temporary);
      await expect(directory.add(otherModel())).rejects.toMatchObject({
        code: "config",
        details: { option: "out", value: folder },
        message: expect.stringMatching(/EISDIR: .* open .*No file there is damaged/) as string,
      });
      await expect(directory.add(otherModel())).rejects.toThrow(
        `cannot be written to ${join(folder, name)}: `,
      );
      expect(await readFile(join(folder, name), "utf8")).toBe(before);
      // What is there can be gone on with.
      await ResultsDirectory.open(folder);
      await rm(temporary, { recursive: true });
      await directory.add(otherModel());
      expect(await stored(directory)).toEqual([otherModel(), probe()]);
      expect(await readFile(directory.reportFile, "utf8")).toContain("other.gguf");
    },
  );

  it.runIf(existsSync("/dev/full"))(
    "leaves the old file whole on a full disk, says so, and clears up",
    async () => {
      const directory = await ResultsDirectory.open(folder);
      await directory.add(probe());
      const before = await readFile(directory.resultsFile, "utf8");
      await symlink("/dev/full", `${directory.resultsFile}.${process.pid}.new`);
      await expect(directory.add(otherModel())).rejects.toMatchObject({
        code: "config",
        message: expect.stringMatching(/the disk is full\. No file there is damaged/) as string,
        cause: { code: "ENOSPC" },
      });
      expect(await readFile(directory.resultsFile, "utf8")).toBe(before);
      expect((await readdir(folder)).sort()).toEqual(["report.html", "results.json"]);
      expect(await stored(directory)).toEqual([probe()]);
    },
  );
});
