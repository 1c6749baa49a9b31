import {
  createStream,
  KVPolicyError,
  PINNED_MARK,
  TURN_MARK,
  type CacheRange,
  type CacheStream,
  type ErrorCode,
  type EvictionEvent,
  type StreamStats,
} from "@kvpolicy/core";

import { createPolicy } from "../policies.js";
import type { PolicySetting } from "../policy-setting.js";
import { firstCellsOf } from "./first-cells.js";
import type { TokenizedText } from "./tokenize.js";
import { WordBackend } from "./word-backend.js";

/** What is marked in a text, in stream positions. */
export interface TextMarks {
  /** Ranges that never leave. */
  readonly pinned: readonly CacheRange[];
  /** Where turns begin. */
  readonly turns: readonly number[];
}

/** What is simulated. */
export interface SimulationOptions {
  readonly setting: PolicySetting;
  /** Cells in use at most. */
  readonly budget: number;
  readonly text: TokenizedText;
  readonly marks: TextMarks;
  /** Stops the reading; the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Tokens after which others get their turn: a long text must not hold up the page. */
const TOKENS_A_TURN = 200;

/** The cache after some tokens of the stream. */
export interface Frame {
  /** Tokens read so far. */
  readonly position: number;
  /** Stream positions of the cells, by in-cache position. */
  readonly cells: Float64Array;
  /** What left to make room for the token read last. */
  readonly eviction: EvictionEvent | undefined;
  /** The stream's counters. */
  readonly stats: StreamStats;
}

/** An error of the stream or policy. */
interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** A whole text read under a policy. */
export interface Simulation {
  readonly setting: PolicySetting;
  readonly budget: number;
  /** First cells that the policy keeps for ever. */
  readonly firstCells: number;
  /** The frames after 0, 1, 2 … tokens, to the end of the text or to the token that was refused. At least one. */
  readonly frames: readonly Frame[];
  /** What ended the stream before the text did. */
  readonly refusal: Refusal | undefined;
  /** Pins that the stream did not take. */
  readonly refusedPins: readonly Refusal[];
}

const EMPTY: Frame = {
  position: 0,
  cells: new Float64Array(0),
  eviction: undefined,
  stats: { tokens: 0, cellsSeen: 0, peakCells: 0, evictions: 0, evictedTokens: 0, recomputedTokens: 0 },
};

/** Reads a text token by token with the real stream and the real policy, and answers what was in the cache at each. */
export async function simulate(options: SimulationOptions): Promise<Simulation> {
  const { setting, budget, text, marks } = options;
  const frames = [EMPTY];
  let firstCells = 0;
  let refusedPins: Refusal[] = [];
  const refusal = await findRefusal(async () => {
    await using stream = openStream(options);
    firstCells = firstCellsOf(stream.policy.describe(budget));
    refusedPins = setMarks(stream, marks);
    for await (const frame of read(stream, text.ids, options.signal)) frames.push(frame);
  });
  return { setting, budget, firstCells, frames, refusal, refusedPins };
}

function openStream({ setting, budget, text }: SimulationOptions): CacheStream {
  const policy = createPolicy(setting, (isWanted) =>
    text.vocabulary.flatMap((word, id) => (isWanted(word) ? [id] : [])),
  );
  return createStream({ backend: new WordBackend(text, { capacity: budget }), policy, budget });
}

/** Marks the text before it is read, and answers which pins were refused. */
function setMarks(stream: CacheStream, { pinned, turns }: TextMarks): Refusal[] {
  for (const start of turns) stream.mark(TURN_MARK, { start, end: start + 1 });
  return pinned.flatMap((range) => {
    try {
      stream.mark(PINNED_MARK, range);
      return [];
    } catch (error) {
      return [toRefusal(error)];
    }
  });
}

async function* read(
  stream: CacheStream,
  ids: Uint32Array,
  signal: AbortSignal | undefined,
): AsyncGenerator<Frame> {
  let eviction: EvictionEvent | undefined;
  stream.onEvict((event) => {
    eviction = event;
  });
  for (let index = 0; index < ids.length; index += 1) {
    if (index % TOKENS_A_TURN === TOKENS_A_TURN - 1) await new Promise((resolve) => setTimeout(resolve));
    signal?.throwIfAborted();
    eviction = undefined;
    await stream.append(ids.subarray(index, index + 1));
    yield { position: stream.position, cells: stream.cells().positions, eviction, stats: stream.stats };
  }
}

async function findRefusal(work: () => Promise<void>): Promise<Refusal | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return toRefusal(error);
  }
}

/** @throws what is no error of a stream or policy. */
function toRefusal(error: unknown): Refusal {
  if (!KVPolicyError.isInstance(error)) throw error;
  return { code: error.code, message: error.message };
}
