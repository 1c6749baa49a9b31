import { describe, expect, it } from "vitest";

import { createRandom } from "../../statistics/random.js";
import { compareLatency, compareMemory, foldSegments } from "./curves.js";
import { beginState, type SoakState } from "./soak-state.js";

const CHUNK = 100;
const settings = { chunk: CHUNK, budget: 250, segments: 10, seed: 1 };
const MEBIBYTE = 2 ** 20;

/** A soak of whole chunks. */
function soakOf(
  count: number,
  {
    milliseconds = () => 10,
    bytes = () => null,
  }: {
    readonly milliseconds?: (share: number, index: number) => number;
    readonly bytes?: (share: number, index: number) => number | null;
  },
): SoakState {
  const state = beginState({});
  for (let index = 0; index < count; index += 1) {
    state.read += CHUNK;
    state.chunks.ends.push(state.read);
    state.chunks.milliseconds.push(milliseconds(index / count, index));
    state.chunks.residentBytes.push(bytes(index / count, index));
    state.chunks.peakCells.push(250);
  }
  return state;
}

describe("compareLatency", () => {
  const noisy = (growth: (share: number) => number, noise = 0.1) => {
    const random = createRandom(3);
    return (share: number): number => 10 * growth(share) * (1 + noise * (random() - 0.5));
  };

  it.each([
    ["flat", () => 1],
    ["grew", (share: number) => 1 + 0.2 * share],
    ["fell", (share: number) => 1 - 0.2 * share],
  ] as const)("finds that it %s", (verdict, growth) => {
    const latency = compareLatency(soakOf(2003, { milliseconds: noisy(growth) }), settings);
    expect(latency?.verdict).toBe(verdict);
    expect(latency?.ratio.value).toBeCloseTo(growth(0.95) / growth(0.05), 2);
    // Behind the chunks before the cache was full.
    expect(latency?.early.start).toBe(300);
    expect(latency?.early.end).toBe(20_300);
    expect(latency?.late).toMatchObject({ start: 180_300, end: 200_300, chunks: 200 });
    expect(latency?.late.millisecondsPerToken).toBeCloseTo(0.1 * growth(0.95), 3);
  });

  it("does not claim what the noise hides, or too few chunks", () => {
    const loud = compareLatency(soakOf(203, { milliseconds: noisy(() => 1, 1.5) }), settings);
    expect(loud?.ratio.interval).not.toBeNull();
    expect(loud?.verdict).toBe("not shown");
    const short = compareLatency(soakOf(53, { milliseconds: noisy(() => 1, 0.001) }), settings);
    expect(short).toMatchObject({ verdict: "not shown", ratio: { interval: null }, early: { chunks: 5 } });
    expect(compareLatency(soakOf(3, {}), settings)).toBeNull();
  });

  it("begins early, however long the soak", () => {
    const latency = compareLatency(soakOf(20_003, { milliseconds: noisy(() => 1) }), settings);
    expect(latency?.early).toMatchObject({ start: 300, end: 100_300, chunks: 1000 });
    expect(latency?.late.chunks).toBe(2000);
  });

  it("leaves out the first chunk of a session and one that was cut short", () => {
    const state = soakOf(203, { milliseconds: (_, index) => (index === 195 || index === 200 ? 1e6 : 10) });
    state.sessions.push(19_500);
    expect(compareLatency(state, settings)?.ratio.value).toBeGreaterThan(100);
    state.sessions.push(20_000);
    expect(compareLatency(state, settings)?.ratio.value).toBeCloseTo(1, 9);
    const cut = soakOf(203, { milliseconds: (_, index) => (index === 200 || index === 201 ? 1e6 : 10) });
    cut.chunks.ends[200] = 20_050;
    expect(compareLatency(cut, settings)?.ratio.value).toBeCloseTo(1, 9);
  });
});

describe("compareMemory", () => {
  it.each([
    ["flat", 200, 207.9],
    ["grew", 200, 208.1],
    ["fell", 200, 191.9],
    ["flat", 1000, 1019],
    ["grew", 1000, 1021],
  ] as const)("finds it %s from %f to %f MiB", (verdict, early, late) => {
    const state = soakOf(200, {
      // Loading leaves garbage; one chunk sees more for a moment.
      bytes: (share, index) =>
        (share < 0.1 ? 5000 : index % 7 === 3 ? 4000 : share < 0.9 ? early : late) * MEBIBYTE,
    });
    expect(compareMemory(state, settings)).toEqual({
      early: { start: 2000, end: 4000, residentBytes: early * MEBIBYTE },
      late: { start: 18_000, end: 20_000, residentBytes: late * MEBIBYTE },
      allowedBytes: Math.max(8, 0.02 * early) * MEBIBYTE,
      verdict,
    });
  });

  it("stays within the longest session", () => {
    const leaking = soakOf(200, {
      bytes: (_, index) => (100 + (index < 120 ? index : index - 120)) * MEBIBYTE,
    });
    expect(compareMemory(leaking, settings)?.early).toMatchObject({ start: 2000 });
    leaking.sessions.push(12_000);
    expect(compareMemory(leaking, settings)).toMatchObject({
      early: { start: 1200, end: 2400 },
      late: { start: 10_800, end: 12_000 },
      verdict: "grew",
    });
    leaking.sessions.splice(1, 1, 5000);
    expect(compareMemory(leaking, settings)?.early).toMatchObject({ start: 6500, end: 8000 });
  });

  it("says nothing where nobody told", () => {
    expect(compareMemory(soakOf(200, {}), settings)).toBeNull();
    expect(compareMemory(beginState({}), settings)).toBeNull();
  });
});

describe("foldSegments", () => {
  it("folds chunks into segments of equal length", () => {
    const state = soakOf(40, { milliseconds: (_, index) => index, bytes: (_, index) => index * 1000 });
    const segments = foldSegments(state, settings);
    expect(segments.map(({ start, end }) => [start, end])).toEqual(
      Array.from({ length: 10 }, (_, index) => [index * 400, index * 400 + 400]),
    );
    // Of the first, only the chunk that began with a full cache.
    expect(segments[0]?.milliseconds).toEqual({ chunks: 1, mean: 0.03, p50: 0.03, p95: 0.03 });
    expect(segments[1]?.milliseconds).toMatchObject({ chunks: 4, mean: 0.055, p50: 0.055 });
    expect(segments[1]?.milliseconds?.p95).toBeGreaterThan(0.065);
    expect(segments[1]).toMatchObject({ residentBytes: 5500, peakCells: 250 });
  });

  it("has no more segments than chunks, and none of nothing", () => {
    expect(foldSegments(soakOf(3, {}), settings)).toHaveLength(3);
    expect(foldSegments(soakOf(3, {}), settings)[1]).toMatchObject({
      milliseconds: null,
      residentBytes: null,
    });
    expect(foldSegments(beginState({}), settings)).toEqual([]);
  });
});
