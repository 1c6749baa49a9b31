import { KVPolicyError } from "@kvpolicy/core";

import type { MeasuredStream } from "../../measure/measured-model.js";
import { isAbort } from "../../measure/is-abort.js";
import { compareWithYoung, countComparedTokens } from "./compare-with-young.js";
import { continueState } from "./identity.js";
import { addLikelihoods } from "./passes.js";
import type { Soak } from "./prepare-soak.js";
import { beginState, type SoakState } from "./soak-state.js";
import type { StoredStream } from "./storage.js";

/** The soak under way. */
export interface SoakSession {
  /** The stream that reads. */
  readonly stream: MeasuredStream;
  /** What was measured so far. */
  readonly state: SoakState;
  /** Tokens that had been read when it began. */
  readonly start: number;
  /** Time of all sessions together, up to now. */
  readonly milliseconds: () => number;
  /** Saves stream and state; does nothing without a storage. */
  readonly save: () => Promise<void>;
}

/**
 * Opens the stream of a soak: where its storage has it, else an empty one.
 *
 * @throws {KVPolicyError} what the model or the storage throws.
 */
export async function openStored({ options, policy, warnings }: Soak): Promise<StoredStream> {
  const { model, storage, budget } = options;
  const asked = { policy, budget, onWarning: (message: string) => void warnings.push(message) };
  if (storage) return storage.open(asked);
  return { stream: await model.open(asked), saved: undefined, save: () => Promise.resolve() };
}

/**
 * Begins to read, or goes on.
 *
 * @throws {KVPolicyError} `config` when what was saved is of a soak that was begun otherwise.
 */
export function beginSession({ options, identity, clock }: Soak, stored: StoredStream): SoakSession {
  const { stream, saved } = stored;
  const textPosition = stream.position - (options.model.bos === undefined ? 0 : 1);
  const state = saved === undefined ? beginState(identity) : continueState(saved, identity, textPosition);
  const [begun, before] = [clock(), state.milliseconds];
  const isUnfinished = state.read < options.tokens;
  if (isUnfinished && state.read > (state.sessions.at(-1) ?? 0)) state.sessions.push(state.read);
  let lastSaved = saved === undefined ? null : state.read;
  const milliseconds = (): number => before + clock() - begun;
  return {
    stream,
    state,
    start: state.read,
    milliseconds,
    save: async () => {
      state.milliseconds = milliseconds();
      try {
        await stored.save(state);
      } catch (cause) {
        throw cannotSave(state.read, lastSaved, cause);
      }
      lastSaved = state.read;
    },
  };
}

function cannotSave(read: number, lastSaved: number | null, cause: unknown): KVPolicyError<"config"> {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const rest =
    lastSaved === null
      ? "Nothing was saved before."
      : `What was saved at token ${lastSaved} is still there, and the same command goes on from it.`;
  return new KVPolicyError({
    code: "config",
    message: `The soak cannot be saved at token ${read}: ${reason.replace(/\.$/, "")}. ${rest}`,
    details: { option: "checkpoint", value: read },
    cause,
  });
}

/**
 * Reads to the end, or until it is stopped, and saves on the way and after it.
 *
 * @throws {KVPolicyError} `config` when it cannot be saved on the way, and what the stream throws.
 */
export async function readAll(soak: Soak, session: SoakSession): Promise<void> {
  const { tokens, signal, storage } = soak.options;
  const { state } = session;
  const every = storage?.every ?? Infinity;
  let saved = state.read;
  while (state.read < tokens && !signal?.aborted) {
    await readChunk(soak, session);
    if (state.read >= tokens || Math.floor(state.read / every) === Math.floor(saved / every)) continue;
    await session.save();
    saved = state.read;
  }
  if (saved !== state.read) await saveAtEnd(soak, session);
}

/** What was measured is answered also when it cannot be saved. */
async function saveAtEnd({ warnings }: Soak, { save }: SoakSession): Promise<void> {
  try {
    await save();
  } catch (error) {
    if (!KVPolicyError.isInstance(error)) throw error;
    warnings.push(error.message);
  }
}

/** Reads up to the next multiple of the chunk, so that an interruption changes one chunk and not those after it. */
async function readChunk(
  { options, text, chunk, rounds, clock }: Soak,
  { stream, state, start }: SoakSession,
): Promise<void> {
  const { tokens, budget, signal, residentBytes, onProgress, seed } = options;
  const from = state.read;
  const block = text.take(from, Math.min(chunk - (from % chunk), tokens - from));
  const nlls = new Float64Array(block.length);
  const what = `pass ${Math.floor(from / text.passLength) + 1} of ${Math.ceil(tokens / text.passLength)}`;
  const total = tokens - start + countComparedTokens({ read: tokens, budget, chunk, rounds });
  let appended = 0;
  let peakCells = 0;
  const before = clock();
  try {
    await stream.score(block, {
      into: nlls,
      signal,
      onStep: (count) => {
        appended = count;
        peakCells = Math.max(peakCells, stream.length);
        onProgress?.({ what, done: from + count - start, total });
      },
    });
  } catch (error) {
    if (!isAbort(error, signal)) throw error;
  }
  const milliseconds = clock() - before;
  if (appended === 0) return;
  addLikelihoods(state, nlls.subarray(0, appended), text.passLength, seed);
  const { chunks } = state;
  chunks.ends.push(state.read);
  // Microseconds: the state is written often.
  chunks.milliseconds.push(Math.round(milliseconds * 1000) / 1000);
  chunks.residentBytes.push(residentBytes?.() ?? null);
  chunks.peakCells.push(peakCells);
}

/**
 * Takes turns with a stream that has just begun, at the end of a soak, which is saved by then. A failure becomes a warning.
 */
export async function compareAtEnd(soak: Soak, session: SoakSession): Promise<void> {
  const { stream, state } = session;
  const { options, policy, text, chunk, rounds, clock, warnings } = soak;
  const { model, budget, tokens, seed, signal, onProgress } = options;
  const { read } = state;
  const readNow = tokens - session.start;
  if (rounds === 0 || read < tokens || state.sideBySide || signal?.aborted) return;
  const total = readNow + countComparedTokens({ read: tokens, budget, chunk, rounds });
  try {
    await using young = await model.open({ policy, budget });
    state.sideBySide = await compareWithYoung({
      old: stream,
      young,
      text,
      read,
      budget,
      chunk,
      rounds,
      seed,
      clock,
      signal,
      onStep: (done) => onProgress?.({ what: "beside a young stream", done: readNow + done, total }),
    });
  } catch (error) {
    if (isAbort(error, signal)) return;
    // Hours of reading must not be lost for it.
    if (!KVPolicyError.isInstance(error)) throw error;
    warnings.push(`The stream was not compared with a young one: ${error.message}`);
    return;
  }
  await saveAtEnd(soak, session);
}
