import type { CacheRange } from "@kvpolicy/core";

import type { Simulation } from "./simulate.js";

/**
 * Why a cell is there: it is one of the first, it is pinned, it was kept while later tokens left (an anchor, a separator, a
 * surprise), or it is one of the most recent.
 */
type CellRole = "sink" | "pinned" | "kept" | "window";

/** A cell in use, as it is shown. */
export interface ShownCell {
  /** In-cache position. */
  readonly index: number;
  /** Stream position. */
  readonly position: number;
  readonly role: CellRole;
  /** Whether its token was read last. */
  readonly isNewest: boolean;
  /** Whether it leaves when the next token is read. */
  readonly leavesNext: boolean;
  /** Whether it was evaluated again for the token read last. */
  readonly wasRecomputed: boolean;
}

/** The frame that a stream shows after so many tokens: its last one where it was refused before. */
export function frameAt({ frames }: Simulation, position: number): Simulation["frames"][number] {
  const frame = frames[Math.min(position, frames.length - 1)];
  if (!frame) throw new Error("A simulation has a frame at least.");
  return frame;
}

/** The cells in use after so many tokens. */
export function cellsAt(
  simulation: Simulation,
  position: number,
  pinned: readonly CacheRange[],
): ShownCell[] {
  const { firstCells, frames } = simulation;
  const frame = frameAt(simulation, position);
  const leaving = new Set(frames[frame.position + 1]?.eviction?.positions);
  const lastEvicted = latestEvicted(simulation, frame.position);
  return Array.from(frame.cells, (streamPosition, index) => ({
    index,
    position: streamPosition,
    role: roleOf(streamPosition, index, firstCells, lastEvicted, pinned),
    isNewest: streamPosition === frame.position - 1,
    leavesNext: leaving.has(streamPosition),
    wasRecomputed: frame.eviction?.survivors === "recompute" && streamPosition !== frame.position - 1,
  }));
}

function roleOf(
  streamPosition: number,
  index: number,
  firstCells: number,
  lastEvicted: number,
  pinned: readonly CacheRange[],
): CellRole {
  if (pinned.some(({ start, end }) => start <= streamPosition && streamPosition < end)) return "pinned";
  if (index < firstCells) return "sink";
  return streamPosition < lastEvicted ? "kept" : "window";
}

/**
 * The largest stream position that has left; −1 when none has. What left for a token was read before it, so that no frame up to the
 * largest found can hold a larger one.
 */
function latestEvicted({ frames }: Simulation, position: number): number {
  let latest = -1;
  for (let index = position; index > latest; index -= 1) {
    for (const evicted of frames[index]?.eviction?.positions ?? []) latest = Math.max(latest, evicted);
  }
  return latest;
}
