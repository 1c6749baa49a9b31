import { dense } from "@kvpolicy/dense";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import { beforeAll, describe, expect, it } from "vitest";

import { readText } from "../measure/read-text.js";
import { perplexityChart } from "../comparison/perplexity-chart.js";
import { buildStreamResults, type StreamResults } from "../experiments/stream/stream-results.js";
import type { ResultsFile } from "../results/results-file.js";
import { FakeClock, fakeContender, fakeText } from "../testing/fake-contender.js";
import { FAKE_TEXT, fakeSurroundings } from "../testing/fake-surroundings.js";
import { formatDuration, formatNumber } from "./numbers.js";
import { renderReport } from "./render-report.js";
import { renderTerminal } from "./render-terminal.js";
import { renderTerminalChart } from "./terminal-chart.js";

const HOSTILE = `<img src=x onerror="alert('1')">&`;
const DISCLOSURE = "something was planted";

async function measure(tokens: number, name = "a model"): Promise<StreamResults> {
  const clock = new FakeClock();
  const measurement = await readText({
    tokens: fakeText(tokens),
    budget: 16,
    clock: clock.tell,
    residentBytes: () => 2 ** 20,
    contenders: [
      fakeContender({ name, policy: dense(), budget: 60, clock, warning: "a warning" }),
      fakeContender({ policy: window({ stride: 4 }), budget: 16, clock }),
      fakeContender({ policy: sinkWindow({ stride: 4 }), budget: 16, clock }),
    ],
  });
  return buildStreamResults(measurement, fakeSurroundings({ name, disclosure: DISCLOSURE }), FAKE_TEXT);
}

function fileOf(...all: readonly StreamResults[]): ResultsFile {
  return { schemaVersion: 2, experiments: [...all] };
}

let results: StreamResults;
beforeAll(async () => {
  results = await measure(200);
});

describe("formatNumber", () => {
  it("shows the digits that matter", () => {
    expect([0.012345, 1.2345, 12.345, 123.45, 12345.6].map((value) => formatNumber(value))).toEqual([
      "0.0123",
      "1.23",
      "12.3",
      "123",
      "12,346",
    ]);
    expect([null, NaN, Infinity].map((value) => formatNumber(value))).toEqual(["–", "–", "–"]);
  });

  it("words durations", () => {
    expect([400, 65_000, 7_800_000].map(formatDuration)).toEqual(["0 s", "1 min 5 s", "2 h 10 min"]);
  });
});

describe("renderTerminal", () => {
  it("shows every policy, the definitions and the notes, without colour codes", () => {
    const text = renderTerminal(results);
    for (const word of [
      "a model (failed)",
      "window",
      "sink-window",
      "cache-full",
      "a warning",
      DISCLOSURE,
      "whole stride",
    ]) {
      expect(text).toContain(word);
    }
    expect(text).not.toContain("\u001B");
    expect(renderTerminal(results, { colors: true })).toContain("\u001B");
  });

  it("says when the run was cut short or nothing was evicted", async () => {
    expect(renderTerminal({ ...results, partial: true })).toContain("Partial");
    expect(renderTerminal(await measure(10))).toContain("nothing was evicted");
  });
});

describe("renderTerminalChart", () => {
  const line = (value: (position: number) => number): StreamResults["policies"][number]["series"] =>
    Array.from({ length: 21 }, (_, index) => ({ position: index * 10, perplexity: value(index * 10) }));

  it("draws a logarithmic chart whose lines are named at their ends", () => {
    const [first, second, third] = results.policies;
    const drawn: StreamResults = {
      ...results,
      settings: { ...results.settings, budget: 50 },
      policies: [
        { ...first!, name: "up", series: line((position) => 10 ** (position / 100)) },
        { ...second!, name: "flat", series: line(() => 10) },
        { ...third!, name: "none", series: [] },
      ],
    };
    expect(renderTerminalChart(perplexityChart(drawn, null), { width: 50, height: 6 }))
      .toMatchInlineSnapshot(`
      "Perplexity of the last 32 tokens over the stream position (logarithmic; ┊ cache full)
           100 ┤        ┊                  ⢀⣀⡠⠔⠒⠉ ◄ up
               │        ┊             ⣀⡠⠤⠒⠊⠁
            16 ┤        ┊       ⢀⣀⠤⠒⠚⠉            ◄ flat
               │⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⣉⡭⠭⠛⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉
               │     ⢀⡠⠤⠒⠊⠉
           1.0 ┤⣀⠤⠔⠚⠉⠁  ┊
               └─────────────────────────────────
                0                             200"
    `);
  });

  it("keeps to its width and is empty without points", () => {
    const rows = renderTerminalChart(perplexityChart(results, null), { width: 70 }).split("\n").slice(1);
    expect(Math.max(...rows.map((row) => row.length))).toBeLessThanOrEqual(70);
    const nothing = results.policies.map((policy) => ({ ...policy, series: [] }));
    expect(renderTerminalChart(perplexityChart({ ...results, policies: nothing }, null))).toBe("");
  });
});

describe("renderReport", () => {
  it("needs no script, no network and no other file", async () => {
    const page = await renderReport(fileOf(results));
    expect(page).not.toMatch(/<script|javascript:|\son\w+=/i);
    expect(page).not.toMatch(/https?:|<link|@import|\ssrc=|url\((?!#)/i);
    expect(page).toContain("<svg");
  });

  it("discloses, defines and says what cannot be concluded", async () => {
    const page = await renderReport(fileOf(results));
    expect(/<figcaption>.*<\/figcaption>/.exec(page)?.[0]).toContain(DISCLOSURE);
    expect(page.match(/<caption>[^\n]*planted[^\n]*<\/caption>/g)).toHaveLength(2);
    expect(page.match(/<caption>/g)).toHaveLength(3);
    for (const word of ["What cannot be concluded", "One text was read", "whole stride", "a".repeat(64)]) {
      expect(page).toContain(word);
    }
  });

  it("names its drawings for those who cannot see them, with ids that are not used twice", async () => {
    const page = await renderReport(fileOf(results));
    const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(
      page.match(/<svg[^>]*role="img"[^>]*><title[^>]*>[^<]+<\/title><desc[^>]*>[^<]+<\/desc>/g),
    ).toHaveLength(2);
  });

  it("takes names for text", async () => {
    const page = await renderReport(fileOf(await measure(120, HOSTILE)));
    expect(page).not.toContain("<img");
    expect(page).toContain("&lt;img");
  });

  it("does without a chart when nothing was measured", async () => {
    const nothing = results.policies.map((policy) => ({ ...policy, series: [] }));
    expect(await renderReport(fileOf({ ...results, policies: nothing }))).not.toContain("<svg");
  });
});
