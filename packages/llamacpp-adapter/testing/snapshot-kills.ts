import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { openStream, type LlamaStream } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";
import type { LlamaModel } from "node-llama-cpp";

/**
 * What the child was doing when it was killed: appending between two saves; taking the snapshot, before there is a file; writing the
 * temporary file, which is still there; or past the rename, before it said so.
 */
type Phase = "appending" | "taking" | "writing" | "renamed";

/** What many kills came to. */
export interface KillReport {
  /** Kills. */
  readonly kills: number;
  /** How many landed in each phase. */
  readonly phases: Readonly<Record<Phase, number>>;
  /** Snapshots that could not be restored, or held something else than that save must hold. */
  readonly torn: number;
  /** The problems in words. */
  readonly problems: readonly string[];
  /** Stream position of the last snapshot. */
  readonly position: number;
  /** Largest |ΔNLL| (nats) between a restored stream and the uninterrupted one. */
  readonly largestDifference: number;
  /** Mean milliseconds of one round of appending and saving. */
  readonly roundMilliseconds: number;
}

/** How to kill. */
interface KillOptions {
  /** The model. */
  readonly model: LlamaModel;
  /** Its file. */
  readonly modelPath: string;
  /** Where the snapshot is to be. */
  readonly path: string;
  /** How often. */
  readonly kills: number;
  /** Node's own arguments for the child. */
  readonly execArgv: readonly string[];
  /** Numbers from 0 to 1 that decide when to kill. */
  readonly random: () => number;
  /** Called after each kill. */
  readonly onKill?: ((kill: number, phase: Phase) => void) | undefined;
}

/** Tokens whose likelihoods a restored stream is asked for. */
const COMPARED = 8;
/** More than rounding in another order, far less than a wrong cell. */
const TOLERANCE = 1e-4;
/** Rounds that the moment of a kill is spread over. */
const ROUNDS = 3;

const child = fileURLToPath(new URL("save-loop.mjs", import.meta.url));
const policy = sinkWindow({ sinks: 4, window: 252, stride: 16 });
const tokensFrom = (start: number, end: number): number[] =>
  Array.from({ length: end - start }, (_, index) => 3 + (((start + index) * 37) % 900));

/**
 * Kills a child that saves in a loop, again and again, at random moments. After each kill the snapshot is restored and held against a
 * stream that was never interrupted; the next child goes on from it.
 */
export async function killSaves({ kills, onKill, ...options }: KillOptions): Promise<KillReport> {
  const { model, path } = options;
  const open = { policy, threads: 1 } as const;
  await using uninterrupted = await openStream(model, {
    ...open,
    bos: false,
    keyType: "F32",
    valueType: "F32",
    seed: 1,
  });
  const phases: Record<Phase, number> = { appending: 0, taking: 0, writing: 0, renamed: 0 };
  const problems: string[] = [];
  const expected: number[] = [];
  const compared: { start: number; scores: Float64Array }[] = [];
  let rounds = { count: 0, milliseconds: 0 };
  for (let kill = 1; kill <= kills; kill += 1) {
    const { begun, done, ...ended } = await killOnce({
      ...options,
      round: rounds.milliseconds / Math.max(1, rounds.count),
    });
    rounds = {
      count: rounds.count + ended.rounds,
      milliseconds: rounds.milliseconds + ended.milliseconds,
    };
    const leftovers = (await readdir(dirname(path))).filter((name) => name !== basename(path));
    let restored: LlamaStream;
    try {
      restored = await openStream(model, { ...open, restore: path });
    } catch (error) {
      problems.push(`kill ${kill}: ${String(error)}`);
      continue;
    }
    const { position } = restored;
    const phase = findPhase({ begun, done, position, hasTemporary: leftovers.length > 0 });
    phases[phase] += 1;
    if (position !== begun && position !== done)
      problems.push(`kill ${kill}: at ${position}, where ${done} was saved and ${begun} begun`);
    if (JSON.stringify(restored.restored?.extra) !== JSON.stringify({ position }))
      problems.push(`kill ${kill}: extra is of another save`);
    expected.push(...(await uninterrupted.score(tokensFrom(uninterrupted.position, position))));
    // The last token is held by a restored stream: it is decoded again with what comes next.
    if (
      JSON.stringify(cellsOf(restored)) !==
      JSON.stringify(cellsOf(uninterrupted).map((cells) => cells.slice(0, -1)))
    )
      problems.push(`kill ${kill}: other cells than a stream at ${position} has`);
    compared.push({
      start: position,
      scores: await restored.score(tokensFrom(position, position + COMPARED)),
    });
    await restored.dispose();
    onKill?.(kill, phase);
  }
  const { position } = uninterrupted;
  expected.push(...(await uninterrupted.score(tokensFrom(position, position + COMPARED))));
  let largestDifference = 0;
  for (const { start, scores } of compared) {
    const difference = Math.max(...scores.map((score, index) => Math.abs(score - expected[start + index]!)));
    largestDifference = Math.max(largestDifference, difference);
    if (!(difference <= TOLERANCE)) problems.push(`predictions after ${start} differ by ${difference} nats`);
  }
  return {
    kills,
    phases,
    torn: problems.length,
    problems,
    position,
    largestDifference,
    roundMilliseconds: rounds.milliseconds / rounds.count,
  };
}

function cellsOf(stream: LlamaStream): number[][] {
  const { tokens, positions } = stream.cells();
  return [[...tokens], [...positions]];
}

function findPhase(state: { begun: number; done: number; position: number; hasTemporary: boolean }): Phase {
  if (state.begun === state.done) return "appending";
  if (state.position === state.begun) return "renamed";
  return state.hasTemporary ? "writing" : "taking";
}

/** Runs the child until it has saved once, then a random while longer; answers the saves that it spoke of last. */
async function killOnce({
  modelPath,
  path,
  execArgv,
  random,
  round,
}: Omit<KillOptions, "kills" | "onKill" | "model"> & { readonly round: number }): Promise<{
  begun: number;
  done: number;
  rounds: number;
  milliseconds: number;
}> {
  const running = spawn(process.execPath, [...execArgv, child, modelPath, path], {
    cwd: dirname(child),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const saves: Record<string, number> = {};
  let rounds = -1;
  let first = 0;
  let last = 0;
  const closed = new Promise((resolve) => running.once("close", resolve));
  for await (const line of createInterface(running.stdout)) {
    const [what = "", position] = line.split(" ");
    saves[what] = Number(position);
    if (what !== "done") continue;
    rounds += 1;
    last = performance.now();
    if (rounds > 0) continue;
    first = last;
    // A child that says nothing more is killed all the same.
    setTimeout(() => running.kill("SIGKILL"), random() * ROUNDS * Math.max(round, 10));
  }
  await closed;
  const { begin = NaN, done = NaN } = saves;
  return { begun: begin, done, rounds, milliseconds: last - first };
}
