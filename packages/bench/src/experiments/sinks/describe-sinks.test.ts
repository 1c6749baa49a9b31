import { sinkWindow } from "@kvpolicy/sink-window";
import { beforeAll, describe, expect, it } from "vitest";

import type { ReportSection } from "../../report/report-section.js";
import { fakeText } from "../../testing/fake-contender.js";
import { fakeModel } from "../../testing/fake-model.js";
import { fakeSurroundings } from "../../testing/fake-surroundings.js";
import { describeProbe, describeSinks } from "./describe-sinks.js";
import { measureSinks, probeSinks } from "./measure-sinks.js";
import type { ProbeResults, SinkNeed, SinksResults } from "./sinks-results.js";

const OPTIONS = {
  surroundings: fakeSurroundings(),
  text: { name: "A book", sha256: "b".repeat(64), tokens: fakeText(150) },
  budget: 24,
  stride: 2,
  create: (sinks: number) => sinkWindow({ sinks, stride: 2 }),
  seed: 5,
};

let probe: ProbeResults;
let sinks: SinksResults;
let withoutFour: SinksResults;
beforeAll(async () => {
  probe = await probeSinks({ ...OPTIONS, model: fakeModel() });
  sinks = await measureSinks({ ...OPTIONS, model: fakeModel({ bos: 1 }) });
  withoutFour = await measureSinks({ ...OPTIONS, model: fakeModel(), sinks: [0, 1, 2] });
});

/** What is advised when so much is lost without sinks, and so many are enough. */
function advice(
  nats: number,
  { enough = 1, need = "none" }: { readonly enough?: number | null; readonly need?: SinkNeed["need"] } = {},
): readonly string[] {
  const difference = (count: number, lost: number): SinkNeed["withoutSinks"] => ({
    sinks: count,
    nats: lost,
    interval: { lower: lost - 0.5, upper: lost + 0.5 },
    blocks: 64,
  });
  return describeProbe({
    ...probe,
    need: {
      need,
      withoutSinks: difference(0, nats),
      againstMost: [],
      most: 8,
      enough: enough === null ? null : difference(enough, 0.002),
    },
  }).verdicts;
}

function tableOf({ tables }: ReportSection, caption: string): readonly (readonly string[])[] {
  const found = tables.find((table) => table.caption.startsWith(caption));
  for (const row of found?.rows ?? []) expect(row).toHaveLength(found!.columns.length);
  return found!.rows;
}

describe("describeProbe", () => {
  it("advises in one line, with the evidence in the next", () => {
    expect(advice(0.004, { enough: 0 })).toEqual([
      "This model needs no sinks: leaving them out costs 0.00400 nats a token (95 % interval -0.496 … 0.504). A plain window will do; sinks cost it nothing either.",
      "0 sinks are within 0.01 nats of 8: the difference is 0.00200 nats a token (95 % interval -0.498 … 0.502).",
    ]);
    expect(advice(0.3, { need: "mild", enough: 2 })[0]).toMatch(
      /uses sinks, but does not hang on them: .*0\.300.* Keep 2\.$/,
    );
    expect(advice(2.5, { need: "collapse", enough: 1 })).toEqual([
      expect.stringMatching(/collapses without sinks: .*2\.50.* Keep 1\.$/),
      expect.stringMatching(/^1 sink is within/),
    ]);
  });

  it("does not advise to keep none where leaving them out is a loss", () => {
    expect(advice(0.3, { need: "mild", enough: 0 })[0]).toMatch(/Keep 1\.$/);
  });

  it("says so when no number comes near the most", () => {
    expect(advice(0.3, { need: "mild", enough: null })).toEqual([
      expect.stringMatching(/Keep 8\.$/),
      "No number of sinks that was tried comes within 0.01 nats of 8.",
    ]);
    expect(advice(3, { need: "collapse", enough: null })[0]).toMatch(/Keep at least 8\.$/);
  });

  it("does not say that sinks cost nothing where they do", () => {
    expect(advice(-0.5)[0]).toMatch(
      /needs no sinks: leaving them out costs -0\.500 .* A plain window does better\.$/,
    );
  });

  it("says why it does not know", async () => {
    const text = { ...OPTIONS.text, tokens: OPTIONS.text.tokens.subarray(0, 20) };
    const short = await probeSinks({ ...OPTIONS, text, model: fakeModel() });
    expect(describeProbe(short).verdicts).toEqual(["Unknown: too little was read with a full cache."]);
    const without = await probeSinks({ ...OPTIONS, sinks: [1, 4], model: fakeModel() });
    expect(describeProbe(without).verdicts).toEqual(["Unknown: nothing was read without sinks."]);
  });

  it("draws the perplexity over the number of sinks", () => {
    const { charts } = describeProbe(probe);
    expect(charts[0]?.series[0]?.points.map(({ x, y }) => [x, y])).toEqual(
      [0, 1, 2, 4, 8].map((count, index) => [count, probe.comparison.policies[index]?.perplexity.full.value]),
    );
  });

  it("has a row for each number of sinks, and for each difference", () => {
    const section = describeProbe(probe);
    const rows = tableOf(section, "Perplexity");
    expect(rows.map(([name]) => name)).toEqual(["0 sinks", "1 sink", "2 sinks", "4 sinks", "8 sinks"]);
    expect(rows[3]?.[3]).toBe("1 (reference)");
    expect(tableOf(section, "What is lost").map(([name]) => name)).toEqual([
      "0 sinks minus 4 sinks",
      "0 sinks minus 8",
      "1 sink minus 8",
      "2 sinks minus 8",
      "4 sinks minus 8",
    ]);
  });
});

describe("describeSinks", () => {
  it("has a verdict for each control, against the same reference as the table", () => {
    const { verdicts } = describeSinks(sinks);
    const controls = verdicts.slice(-4);
    expect(controls[0]).toMatch(
      /^4 random anchors instead of the first ones: [\d.]+× the perplexity with 4 sinks, 3 draws \(95 % interval over draws [\d.]+ … [\d.,]+\)\.$/,
    );
    expect(controls[1]).toMatch(/^4 random recent tokens instead of the first ones: /);
    expect(controls[2]).toMatch(/^Line breaks behind BOS instead of the first 4 tokens: [\d.]+× /);
    expect(controls[3]).toMatch(/^Line breaks, BOS too instead of the first 4 tokens: /);
  });

  it("names the number of sinks that the others are compared with, where four is none of them", () => {
    const section = describeSinks(withoutFour);
    expect(withoutFour.comparison.policies[0]?.ratio?.reference).toBe("2 sinks");
    expect(tableOf(section, "What is lost").map(([name]) => name)).toEqual([
      "0 sinks minus 2 sinks",
      "0 sinks minus 2",
      "1 sink minus 2",
    ]);
    const controls = section.verdicts.filter((verdict) => /random|Line breaks/.test(verdict));
    expect(controls).toHaveLength(3);
    for (const verdict of controls) expect(verdict).toContain("× the perplexity with 2 sinks");
    const words = JSON.stringify([section.verdicts, section.tables, section.definitions]);
    expect(words).not.toContain("with 4 sinks");
    expect(words).not.toContain("4 sinks minus");
    expect(section.definitions.find(({ term }) => term === "need")?.meaning).toContain("against 2 sinks");
  });

  it("marks what is partial or failed in its table", () => {
    const [first, ...others] = sinks.comparison.policies;
    const error = { code: "cache-full", message: "Full." };
    const policies = [{ ...first!, status: "failed" as const, error }, ...others];
    const section = describeSinks({ ...sinks, comparison: { ...sinks.comparison, policies } });
    expect(tableOf(section, "Perplexity")[0]?.[0]).toBe("0 sinks (failed)");
    expect(section.notes.some((note) => note.includes("(cache-full): Full."))).toBe(true);
  });

  it("names budget, text and seed", () => {
    const { lead, settings } = describeSinks(sinks);
    expect(lead).toMatch(/^150 tokens of A book, a budget of 24 cells; /);
    expect(settings).toEqual([
      ["budget", "24 cells"],
      ["text", `A book, SHA-256 ${"b".repeat(64)}`],
      ["seed", "5"],
    ]);
  });
});
