import { readFile } from "node:fs/promises";

import { createStream } from "@kvpolicy/core";
import {
  createTokenizer,
  loadModel,
  ReferenceBackend,
  type ReferenceModel,
} from "@kvpolicy/reference-backend";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";
import { window } from "@kvpolicy/window";
import { describe, expect, it } from "vitest";

import { cutExcerpt } from "./moby-dick.js";
import { ReadingSession } from "./reading-session.js";
import type { Participant, ParticipantReport, ReadingOptions, Report } from "./worker-protocol.js";

const BUDGET = 128;
const STRIDE = 2;
const TOKENS = 160;
const SINK = tinyModels.sink.url.href;

const options: ReadingOptions = {
  modelUrl: SINK,
  text: cutExcerpt(),
  mostTokens: TOKENS,
  budget: BUDGET,
  stride: STRIDE,
};

async function loadFromDisk(url: string): Promise<ReferenceModel> {
  return loadModel(await readFile(new URL(url)));
}

/** A session whose reports are put together as the page does it. */
function openSession(loadModelFrom = loadFromDisk): {
  readonly session: ReadingSession;
  readonly reports: Report[];
  readonly nllsOf: (id: number) => number[];
  readonly latest: (id: number) => ParticipantReport | undefined;
} {
  const reports: Report[] = [];
  const session = new ReadingSession({ loadModel: loadModelFrom, post: (report) => reports.push(report) });
  const reportsOf = (id: number): ParticipantReport[] =>
    reports
      .flatMap((report) => (report.kind === "progress" ? report.participants : []))
      .filter((one) => one.id === id);
  return {
    session,
    reports,
    nllsOf: (id) => reportsOf(id).flatMap(({ nlls }) => [...nlls]),
    latest: (id) => reportsOf(id).at(-1),
  };
}

const model = await loadFromDisk(SINK);
const tokenizer = createTokenizer(model.metadata);
const tokens = Uint32Array.from(tokenizer.encode(options.text)).subarray(0, TOKENS);

/** For what does not depend on a sink: a model that is computed four times as fast. */
const quick: ReadingOptions = {
  ...options,
  modelUrl: tinyModels.natural.url.href,
  budget: 32,
  mostTokens: 120,
};

function participant(id: number, policy: string, settings: Record<string, number> = {}): Participant {
  return { id, setting: { policy, options: settings } };
}

/** The same by one call of `stream.score`, without turns, reports or pauses. */
async function scoreDirectly(policy: Parameters<typeof createStream>[0]["policy"]): Promise<number[]> {
  const backend = new ReferenceBackend(model, { capacity: BUDGET });
  await using stream = createStream({ backend, policy, budget: BUDGET, bos: tokenizer.bos });
  return [...(await stream.score(tokens))];
}

/** Of the tokens at stream positions from the budget on; the first of the text stands behind BOS. */
function perplexityWhenFull(nlls: readonly number[]): number {
  const counted = nlls.slice(BUDGET - 1);
  return Math.exp(counted.reduce((sum, nll) => sum + nll, 0) / counted.length);
}

describe("a reading of the excerpt with the model that has a sink", () => {
  it("measures what one call of stream.score does, and finds the window alone collapsed", async () => {
    const { session, nllsOf, latest } = openSession();
    const participants = ["window", "recompute", "sink-window"].map((policy, index) =>
      participant(index + 1, policy),
    );
    void session.handle({ kind: "open", reading: 1, options, participants });
    void session.handle({ kind: "run" });
    await session.finish();

    const [windowNlls, recomputeNlls, sinkNlls] = [nllsOf(1), nllsOf(2), nllsOf(3)];
    expect(windowNlls).toEqual(await scoreDirectly(window({ stride: STRIDE })));
    expect(recomputeNlls).toEqual(await scoreDirectly(recompute({ stride: STRIDE })));
    expect(sinkNlls).toEqual(await scoreDirectly(sinkWindow({ stride: STRIDE })));

    const sink = perplexityWhenFull(sinkNlls);
    expect(perplexityWhenFull(windowNlls) / sink).toBeGreaterThan(2.5);
    expect(perplexityWhenFull(recomputeNlls) / sink).toBeCloseTo(1, 1);

    expect(latest(3)).toMatchObject({ status: "complete", read: TOKENS, budget: BUDGET });
    const evaluated = [1, 2, 3].map((id) => {
      const { evaluatedWhenFull = NaN, tokensWhenFull = NaN } = latest(id) ?? {};
      return evaluatedWhenFull / tokensWhenFull;
    });
    expect(evaluated[0]).toBe(1);
    // Whole strides make 64; the figures begin and end within one.
    expect(evaluated[1]).toBeGreaterThan(BUDGET / STRIDE - 3);
    expect(evaluated[1]).toBeLessThan(BUDGET / STRIDE + 3);
    expect(evaluated[2]).toBe(1);
  });
});

describe("a reading", () => {
  it("goes on where it was paused, with the same figures", async () => {
    const { session, reports, nllsOf } = openSession();
    const participants = [participant(7, "sink-window")];
    void session.handle({ kind: "open", reading: 1, options: quick, participants });
    await session.handle({ kind: "run" });
    await session.handle({ kind: "pause" });
    const paused = reports.at(-1);
    expect(paused).toMatchObject({ kind: "progress", isRunning: false });
    const count = nllsOf(7).length;
    expect(count).toBeLessThan(120);

    await session.handle({ kind: "run" });
    await session.finish();
    const resumed = nllsOf(7);
    expect(resumed).toHaveLength(120);

    const other = openSession();
    void other.session.handle({ kind: "open", reading: 1, options: quick, participants });
    void other.session.handle({ kind: "run" });
    await other.session.finish();
    expect(resumed).toEqual(other.nllsOf(7));
  });

  it("lets policies read side by side, and one that came later catch up", async () => {
    const { session, reports, nllsOf, latest } = openSession();
    const [first, second, late] = [
      participant(0, "window"),
      participant(1, "sink-window"),
      participant(2, "surprise", { surprises: 8 }),
    ];
    void session.handle({ kind: "open", reading: 1, options: quick, participants: [first, second] });
    void session.handle({ kind: "run" });
    await session.finish();
    const distances = reports.flatMap((report) => {
      if (report.kind !== "progress") return [];
      const [one, other] = report.participants.map(({ read }) => read);
      return [Math.abs((one ?? 0) - (other ?? 0))];
    });
    expect(Math.max(...distances)).toBeLessThanOrEqual(8);

    void session.handle({ kind: "set participants", participants: [second, late] });
    void session.handle({ kind: "run" });
    await session.finish();
    expect(latest(2)).toMatchObject({ status: "complete", read: 120 });
    // Who stays does not begin again.
    expect(nllsOf(1)).toHaveLength(120);
    const last = reports.at(-1);
    expect(last?.kind === "progress" && last.participants.map(({ id }) => id)).toEqual([1, 2]);
  });

  it("shows what one policy refuses, and lets the others go on", async () => {
    const { session, latest } = openSession();
    const participants = [participant(0, "sink-window", { sinks: 40 }), participant(1, "sink-window")];
    void session.handle({ kind: "open", reading: 1, options: quick, participants });
    void session.handle({ kind: "run" });
    await session.finish();
    expect(latest(0)).toMatchObject({ status: "failed", read: 0, failure: { code: "config" } });
    expect(latest(1)).toMatchObject({ status: "complete", failure: null });
  });

  it("gives dense a cell for every token", async () => {
    const { session, latest } = openSession();
    void session.handle({
      kind: "open",
      reading: 1,
      options: quick,
      participants: [participant(0, "dense")],
    });
    void session.handle({ kind: "run" });
    await session.finish();
    expect(latest(0)).toMatchObject({ status: "complete", read: 120, budget: 121 });
  });

  it("leaves off what it read when it is opened again", async () => {
    const { session, reports } = openSession();
    const open = { kind: "open", options: quick, participants: [participant(0, "window")] } as const;
    void session.handle({ ...open, reading: 1 });
    void session.handle({ kind: "run" });
    await session.handle({ ...open, reading: 2 });
    const last = reports.at(-1);
    expect(last).toMatchObject({ kind: "progress", reading: 2, isRunning: false });
    expect(last?.kind === "progress" && last.participants[0]?.read).toBe(0);
  });

  it("says that a model cannot be loaded, and tries again", async () => {
    let isOffline = true;
    const { session, reports } = openSession((url) =>
      isOffline ? Promise.reject(new Error("no connection")) : loadFromDisk(url),
    );
    await session.handle({ kind: "open", reading: 1, options: quick, participants: [] });
    expect(reports).toEqual([
      { kind: "failed", reading: 1, failure: { code: "unexpected", message: "no connection" } },
    ]);
    isOffline = false;
    await session.handle({ kind: "open", reading: 2, options: quick, participants: [] });
    expect(reports[1]).toMatchObject({ kind: "opened", reading: 2, tokens: 120, firstPosition: 1 });
  });
});

describe("attention", () => {
  it("goes to the first cell under sink-window, and not under window", async () => {
    const { session, reports } = openSession();
    const participants = [
      participant(0, "window"),
      participant(1, "sink-window"),
      participant(2, "recompute", { stride: 64 }),
    ];
    const short = { ...options, mostTokens: 150 };
    void session.handle({ kind: "open", reading: 1, options: short, participants });
    void session.handle({
      kind: "watch",
      views: participants.map(({ id }) => ({ participant: id, layer: 0, head: 0 })),
    });
    void session.handle({ kind: "run" });
    await session.finish();
    const last = reports.at(-1);
    const pictures = last?.kind === "progress" ? last.attention : [];
    const [collapsed, kept, evaluated] = pictures;
    expect(kept?.shares).toHaveLength(4);
    // The newest 22 of the 48 queries came after BOS had left.
    expect(collapsed!.shares[0]![0]).toBeLessThan(0.6);
    expect(kept!.shares[0]![0]).toBeGreaterThan(0.7);
    for (const { values, queries, columns } of [collapsed!, kept!, evaluated!]) {
      expect(queries).toBe(48);
      expect(values).toHaveLength(queries * columns);
      // A query's attention sums to 1, and it sees no cell behind its own.
      for (let query = 0; query < queries; query += 1) {
        const row = values.subarray(query * columns, (query + 1) * columns);
        expect(row.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5);
      }
    }
    const newest = (picture = kept!): number => picture.values[47 * picture.columns]!;
    expect(newest(collapsed)).toBeLessThan(0.05);
    expect(newest(kept)).toBeGreaterThan(0.5);
    // Survivors that are evaluated again are no queries of their own: the rows are the tokens that were read.
    expect(evaluated!.cells).toBe(BUDGET);
    expect(newest(evaluated)).toBeGreaterThan(0.5);
  });
});
