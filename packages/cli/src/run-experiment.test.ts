import { parseResults, type ExperimentResults } from "@kvpolicy/bench";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { printAndWrite } from "./run-experiment.js";
import { probe } from "./testing/probe-results.js";

/** What was printed, and what was given to a directory. */
let output: string;
let errors: string;
let added: ExperimentResults[];

beforeEach(() => {
  [output, errors, added] = ["", "", []];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    output += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    errors += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** A directory that keeps, refuses or fails. */
function directory(add: () => Promise<boolean>): Parameters<typeof printAndWrite>[1] {
  return {
    resultsFile: "out/results.json",
    reportFile: "out/report.html",
    add: (results) => {
      added.push(results);
      return add();
    },
  };
}

const keeping = directory(() => Promise.resolve(true));
const refusing = directory(() => Promise.resolve(false));
const full = directory(() => Promise.reject(new Error("the disk is full")));

describe("printAndWrite", () => {
  it("prints and writes, and says where", async () => {
    await printAndWrite(probe(), keeping, { json: false });
    expect(output).toMatch(/→[^]*\nWritten: out\/results\.json, out\/report\.html\n$/);
    expect([errors, added]).toEqual(["", [probe()]]);
  });

  it("prints nothing but JSON when asked", async () => {
    await printAndWrite(probe(), keeping, { json: true });
    expect(parseResults(JSON.parse(output)).experiments).toEqual([probe()]);
    expect([errors, added]).toEqual(["", [probe()]]);
  });

  it.each([true, false])("says when what is there is worth more (json: %s)", async (json) => {
    await printAndWrite(probe({ partial: true }), refusing, { json });
    expect(errors).toBe("Not written: out/results.json has complete results of this experiment.\n");
    expect(output).not.toContain("ritten:");
    expect(output).not.toBe("");
  });

  it("writes what it cannot print", async () => {
    const unprintable = { ...probe(), comparison: undefined } as unknown as ExperimentResults;
    await expect(printAndWrite(unprintable, keeping, { json: false })).rejects.toThrow(TypeError);
    expect(added).toEqual([unprintable]);
  });

  it.each([true, false])("prints what it cannot write (json: %s)", async (json) => {
    await expect(printAndWrite(probe(), full, { json })).rejects.toThrow("the disk is full");
    expect(output).not.toBe("");
    expect(output).not.toContain("ritten:");
  });
});
