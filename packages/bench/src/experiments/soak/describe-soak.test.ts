import { sinkWindow } from "@kvpolicy/sink-window";
import { describe, expect, it } from "vitest";

import { renderTerminalChart } from "../../report/terminal-chart.js";
import { fakeSurroundings } from "../../testing/fake-surroundings.js";
import { describeSoak } from "./describe-soak.js";
import { soakResultsSchema, type SoakResults } from "./soak-results.js";

const MEBIBYTE = 2 ** 20;

const RESULTS: SoakResults = {
  ...fakeSurroundings(),
  experiment: "soak",
  partial: false,
  milliseconds: 3_723_000,
  text: { name: "A book", sha256: "b".repeat(64), tokens: 50_001 },
  settings: {
    policy: { name: "sink-window", description: sinkWindow().describe(256) },
    budget: 256,
    tokens: 1_000_000,
    chunk: 512,
    segments: 200,
    seed: 1,
  },
  read: 1_000_000,
  sessions: [{ start: 0, end: 1_000_000 }],
  peakCells: 256,
  warnings: [],
  segments: Array.from({ length: 50 }, (_, index) => ({
    start: index * 20_000,
    end: (index + 1) * 20_000,
    milliseconds: index === 0 ? null : { chunks: 39, mean: index / 8, p50: 0.099, p95: 0.12 },
    residentBytes: (150 + (index % 3)) * MEBIBYTE,
    peakCells: 256,
  })),
  latency: {
    early: { start: 512, end: 100_352, chunks: 195, millisecondsPerToken: 0.1 },
    late: { start: 900_096, end: 999_936, chunks: 195, millisecondsPerToken: 0.12 },
    ratio: { value: 1.2, interval: { lower: 1.1, upper: 1.3 } },
    verdict: "grew",
  },
  sideBySide: {
    youngAge: 10_000,
    rounds: 50,
    chunk: 512,
    oldMillisecondsPerToken: 0.1201,
    youngMillisecondsPerToken: 0.12,
    ratio: { value: 1.001, interval: { lower: 0.98, upper: 1.02 } },
    verdict: "flat",
  },
  memory: {
    early: { start: 100_000, end: 200_000, residentBytes: 150 * MEBIBYTE },
    late: { start: 900_000, end: 1_000_000, residentBytes: 152 * MEBIBYTE },
    allowedBytes: 8 * MEBIBYTE,
    verdict: "flat",
  },
  passes: [
    { pass: 1, blocks: 390, meanNll: 3.21, difference: null, interval: null },
    { pass: 2, blocks: 390, meanNll: 3.2, difference: null, interval: null },
    {
      pass: 3,
      blocks: 390,
      meanNll: 3.1988,
      difference: -0.00123,
      interval: { lower: -0.003, upper: 0.001 },
    },
    { pass: 4, blocks: 10, meanNll: 3.3, difference: 0.02, interval: null },
  ],
  likelihood: { judged: 1, largest: { pass: 3, difference: -0.00123 }, verdict: "flat" },
};

const EMPTY: SoakResults = {
  ...RESULTS,
  partial: true,
  read: 0,
  peakCells: 0,
  segments: [],
  latency: null,
  sideBySide: null,
  memory: null,
  passes: [],
  likelihood: null,
};

describe("describeSoak", () => {
  it("says with the numbers what stayed and what did not", () => {
    expect(soakResultsSchema.parse(RESULTS)).toEqual(RESULTS);
    const { title, lead, verdicts, notes } = describeSoak(RESULTS);
    expect(title).toBe("1,000,000 tokens through one stream");
    expect(lead).toContain("1,000,000 tokens in 1 h 2 min, in one session; 256 cells at most in use");
    expect(verdicts).toEqual([
      "Time per token, old against young: flat. After 1,000,000 tokens the stream takes 1.001 [0.980 … 1.020] times as long as one of 10,000 tokens, in turns (0.120 and 0.120 ms).",
      "Time per token along the soak: it grew. Tokens 900,096 to 999,936 took 1.200 [1.100 … 1.300] times as long as tokens 512 to 100,352 (0.120 and 0.100 ms).",
      "Resident memory: flat. 152 MiB over tokens 900,000 to 1,000,000, 150 MiB over tokens 100,000 to 200,000; 8.00 MiB may come and go.",
      "Likelihood: flat. Of one pass after the second, pass 3 differs most from pass 2: by −0.00123 nats a token, where ±0.005 is allowed.",
    ]);
    expect(notes).toEqual([]);
  });

  it("draws time, memory and passes, each with its interval, and rules at what is allowed", () => {
    const [time, memory, passes] = describeSoak(RESULTS).charts;
    expect(time!.series.map(({ name, points }) => [name, points.length])).toEqual([
      ["mean", 49],
      ["p95", 49],
    ]);
    expect(time!.series[0]!.points[0]).toEqual({ x: 40_000, y: 0.125 });
    expect(memory!.series[0]!.points[1]).toEqual({ x: 40_000, y: 151 });
    expect(passes!.series[0]!.points).toEqual([
      { x: 3, y: -0.00123, lower: -0.003, upper: 0.001 },
      { x: 4, y: 0.02 },
    ]);
    expect(passes!.rules!.map(({ at, label }) => [at, label])).toEqual([
      [0.005, "+0.005"],
      [-0.005, "−0.005"],
    ]);
    for (const chart of [time!, memory!, passes!]) expect(renderTerminalChart(chart)).toContain(chart.title);
  });

  it("has the figures in tables, and of long ones a part with both ends", () => {
    const [verdicts, segments, passes] = describeSoak(RESULTS).tables;
    expect(verdicts!.rows).toEqual([
      ["old : young stream", "1.001", "0.980 … 1.020", "0.95 … 1.05", "flat"],
      ["last : first tenth", "1.200", "1.100 … 1.300", "0.95 … 1.05", "grew"],
      ["memory, change (MiB)", "2.0", "–", "±8.00", "flat"],
      ["largest NLL difference (nats)", "−0.00123", "–", "±0.005", "flat"],
    ]);
    expect(segments!.caption).toBe("Segments of the soak (20 of 50)");
    expect(segments!.rows).toHaveLength(20);
    expect(segments!.rows[0]).toEqual(["0 to 20,000", "–", "–", "–", "150", "256"]);
    expect(segments!.rows.at(-1)![0]).toBe("980,000 to 1,000,000");
    expect(passes!.caption).toBe("Passes of the text");
    expect(passes!.rows[2]).toEqual(["3", "49,920", "3.1988", "−0.00123", "−0.00300 … +0.00100"]);
    expect(passes!.rows[3]).toEqual(["4", "1,280", "3.3000", "+0.02000", "–"]);
    for (const { columns, rows } of [verdicts!, segments!, passes!])
      for (const row of rows) expect(row).toHaveLength(columns.length);
  });

  it("says of this very run what has to be known", () => {
    const interrupted: SoakResults = {
      ...RESULTS,
      partial: true,
      read: 600_000,
      warnings: ["Above the trained length."],
      sessions: [
        { start: 0, end: 200_192 },
        { start: 200_192, end: 400_384 },
        { start: 400_384, end: 600_000 },
      ],
      passes: [{ pass: 1, blocks: 390, meanNll: null, difference: null, interval: null }],
    };
    const { notes, charts, lead } = describeSoak(interrupted);
    expect(lead).toContain("in 3 sessions");
    expect(notes).toEqual([
      "Partial: stopped at token 600,000 of 1,000,000. Every figure is over what had been read.",
      "Above the trained length.",
      "The soak was interrupted 2 times and went on from a checkpoint, at token 200,192, 400,384. Memory is compared within the longest session: a leak of one process ends with it.",
      "Likelihoods that are not finite: the passes that have them are not compared.",
    ]);
    expect(charts[1]!.rules).toHaveLength(2);
    const stopped = describeSoak({ ...RESULTS, partial: true, sideBySide: null });
    expect(stopped.notes).toEqual([
      "Partial: all was read, and stopped before the comparison with a young stream was over.",
    ]);
    expect(stopped.verdicts[0]).toBe("Time per token, old against young: not compared.");
  });

  it("claims nothing of nothing", () => {
    const { verdicts, tables } = describeSoak(EMPTY);
    expect(verdicts).toEqual([
      "Time per token, old against young: not compared.",
      "Time per token along the soak: too little was read to compare its end with its beginning.",
      "Resident memory: not known, or too little was read to compare.",
      "Likelihood: no pass after the second is long enough to be compared with it.",
    ]);
    expect(tables.map(({ rows }) => rows.length)).toEqual([0, 0, 0]);
  });
});
