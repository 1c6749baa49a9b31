import { movingBlockBootstrap, type MeanInterval } from "../../statistics/bootstrap.js";
import { mean } from "../../statistics/perplexity.js";
import { quantiles } from "../../statistics/quantiles.js";
import { ratioOfMeans } from "../../statistics/ratio-of-means.js";
import { judgeRatio } from "./judge-ratio.js";
import type { SoakResults } from "./soak-results.js";
import type { SoakState } from "./soak-state.js";

/** Chunks are few and long: blocks of any length, and as few as the widening for few blocks is good for. */
const CHUNK_BOOTSTRAP = { shortestBlock: 1, fewestBlocks: 8 } as const;
/** The first tenth is at most this long, so that it lies around token 10,000 however long the soak. */
const LONGEST_EARLY_WINDOW = 100_000;
/** Memory that may come and go. */
const ALLOWED_SHARE = 0.02;
const ALLOWED_BYTES = 8 * 2 ** 20;

/** What curves are made of. */
export interface CurveSettings {
  /** Tokens of a whole chunk. */
  readonly chunk: number;
  /** Cells that fill the cache. */
  readonly budget: number;
  /** Points of the curves. */
  readonly segments: number;
  /** Seed of the intervals. */
  readonly seed: number;
}

interface Chunk {
  readonly start: number;
  readonly end: number;
  readonly milliseconds: number;
  readonly residentBytes: number | null;
  readonly peakCells: number;
  /** Whether its time counts: it is whole, began with a full cache, and was not the first of a session, which pays for warming up. */
  readonly isTimed: boolean;
}

function listChunks({ chunks, sessions }: SoakState, { chunk, budget }: CurveSettings): Chunk[] {
  const first = new Set(sessions);
  return chunks.ends.map((end, index) => {
    const start = chunks.ends[index - 1] ?? 0;
    return {
      start,
      end,
      milliseconds: chunks.milliseconds[index] ?? NaN,
      residentBytes: chunks.residentBytes[index] ?? null,
      peakCells: chunks.peakCells[index] ?? 0,
      isTimed: end - start === chunk && start >= budget && !first.has(start),
    };
  });
}

const perToken = ({ start, end, milliseconds }: Chunk): number => milliseconds / (end - start);

/** The chunks folded to a few points: each has those that end in its stretch of the soak. */
export function foldSegments(state: SoakState, settings: CurveSettings): SoakResults["segments"] {
  const chunks = listChunks(state, settings);
  const points = Math.min(settings.segments, chunks.length);
  const groups = Array.from({ length: points }, (): Chunk[] => []);
  for (const chunk of chunks) groups[Math.ceil((chunk.end / state.read) * points) - 1]?.push(chunk);
  return groups.flatMap((group) => {
    const [first, last] = [group[0], group.at(-1)];
    if (!first || !last) return [];
    const bytes = group.flatMap(({ residentBytes }) => residentBytes ?? []);
    return {
      start: first.start,
      end: last.end,
      milliseconds: summarizeTimes(group.filter(({ isTimed }) => isTimed)),
      residentBytes: bytes.length === 0 ? null : Math.round(median(bytes)),
      peakCells: Math.max(...group.map(({ peakCells }) => peakCells)),
    };
  });
}

function summarizeTimes(chunks: readonly Chunk[]): SoakResults["segments"][number]["milliseconds"] {
  if (chunks.length === 0) return null;
  const times = Float64Array.from(chunks, perToken);
  const [p50 = NaN, p95 = NaN] = quantiles(times, [0.5, 0.95]);
  return { chunks: chunks.length, mean: mean(times), p50, p95 };
}

/** The last tenth against the first after the fill; null when either has no timed chunk. */
export function compareLatency(state: SoakState, settings: CurveSettings): SoakResults["latency"] {
  const timed = listChunks(state, settings).filter(({ isTimed }) => isTimed);
  const fill = timed[0]?.start ?? 0;
  const tenth = (state.read - fill) / 10;
  const early = timed.filter(({ end }) => end <= fill + Math.min(tenth, LONGEST_EARLY_WINDOW));
  const late = timed.filter(({ start }) => start >= state.read - tenth);
  const [earlyTimes, lateTimes] = [early, late].map((window) => meanTime(window, settings.seed));
  if (!earlyTimes || !lateTimes || earlyTimes.mean <= 0) return null;
  const ratio = ratioOfMeans(lateTimes, earlyTimes);
  return {
    early: describeWindow(early, earlyTimes),
    late: describeWindow(late, lateTimes),
    ratio,
    verdict: judgeRatio(ratio),
  };
}

function meanTime(window: readonly Chunk[], seed: number): MeanInterval | undefined {
  if (window.length === 0) return undefined;
  return movingBlockBootstrap(Float64Array.from(window, perToken), { seed, ...CHUNK_BOOTSTRAP });
}

function describeWindow(
  window: readonly Chunk[],
  times: MeanInterval,
): NonNullable<SoakResults["latency"]>["early"] {
  return {
    start: window[0]?.start ?? 0,
    end: window.at(-1)?.end ?? 0,
    chunks: window.length,
    millisecondsPerToken: times.mean,
  };
}

/** Where each session began and ended. */
export function listSessions({ sessions, read }: SoakState): SoakResults["sessions"] {
  return sessions.map((start, index) => ({ start, end: sessions[index + 1] ?? read }));
}

/**
 * The memory of the last tenth of the longest session against that of its second: another process begins with other memory, and what
 * leaked in one is gone in the next.
 */
export function compareMemory(state: SoakState, settings: CurveSettings): SoakResults["memory"] {
  const [longest] = listSessions(state).sort((one, other) => other.end - other.start - (one.end - one.start));
  if (!longest) return null;
  const { start, end } = longest;
  const tenth = (end - start) / 10;
  const chunks = listChunks(state, settings);
  const early = residentIn(chunks, start + tenth, start + 2 * tenth);
  const late = residentIn(chunks, end - tenth, end);
  if (early === null || late === null) return null;
  const allowedBytes = Math.max(ALLOWED_SHARE * early.residentBytes, ALLOWED_BYTES);
  const change = late.residentBytes - early.residentBytes;
  const verdict = Math.abs(change) <= allowedBytes ? "flat" : change > 0 ? "grew" : "fell";
  return { early, late, allowedBytes, verdict };
}

function residentIn(
  chunks: readonly Chunk[],
  start: number,
  end: number,
): NonNullable<SoakResults["memory"]>["early"] | null {
  const inside = chunks.filter((chunk) => chunk.end > start && chunk.end <= end);
  const bytes = inside.flatMap(({ residentBytes }) => residentBytes ?? []);
  if (bytes.length === 0) return null;
  return { start: Math.floor(start), end: Math.floor(end), residentBytes: median(bytes) };
}

function median(values: readonly number[]): number {
  return quantiles(values, [0.5])[0] ?? NaN;
}
