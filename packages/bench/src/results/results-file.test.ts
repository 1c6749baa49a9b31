import { KVPolicyError } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { sinkWindow } from "@kvpolicy/sink-window";
import { describe, expect, it } from "vitest";

import { buildStreamResults, type StreamResults } from "../experiments/stream/stream-results.js";
import { readText } from "../measure/read-text.js";
import { fakeContender, fakeText } from "../testing/fake-contender.js";
import { FAKE_TEXT, fakeSurroundings } from "../testing/fake-surroundings.js";
import { addResults, parseResults } from "./results-file.js";

async function stream(model: Parameters<typeof fakeSurroundings>[0] = {}): Promise<StreamResults> {
  const measurement = await readText({
    tokens: fakeText(120),
    budget: 16,
    contenders: [
      fakeContender({ policy: dense(), budget: 60, warning: "beyond" }),
      fakeContender({ policy: sinkWindow(), budget: 16 }),
    ],
  });
  return buildStreamResults(measurement, fakeSurroundings(model), FAKE_TEXT);
}

describe("results.json", () => {
  it("comes back as it was written", async () => {
    const file = addResults(undefined, await stream({ disclosure: "planted" }));
    expect(parseResults(JSON.parse(JSON.stringify(file)))).toEqual(file);
  });

  it("is refused when it is of another version or lacks a field", async () => {
    const file = addResults(undefined, await stream());
    expect(() => parseResults({ ...file, schemaVersion: 1 })).toThrow(/version 2: schemaVersion/);
    expect(() => parseResults({ ...file, experiments: [{ ...file.experiments[0], settings: {} }] })).toThrow(/settings/);
    expect(() => parseResults({ ...file, experiments: [] })).toThrow(KVPolicyError);
    expect(() => parseResults("text")).toThrow(KVPolicyError);
  });

  it("takes an experiment in place of the same one on the same model, and keeps those of other models behind", async () => {
    const [first, again] = [await stream(), await stream()];
    const other = await stream({ sha256: "c".repeat(64) });
    expect(addResults(addResults(undefined, first), again).experiments).toEqual([again]);
    expect(addResults(addResults(undefined, first), other).experiments).toEqual([other, first]);
  });

  it("does not replace complete results by partial ones", async () => {
    const complete = addResults(undefined, await stream());
    const partial = { ...(await stream()), partial: true };
    expect(addResults(complete, partial)).toBe(complete);
    const begun = addResults(undefined, partial);
    expect(addResults(begun, { ...partial, milliseconds: 5 }).experiments[0]?.milliseconds).toBe(5);
    expect(addResults(begun, await stream()).experiments[0]?.partial).toBe(false);
  });
});
