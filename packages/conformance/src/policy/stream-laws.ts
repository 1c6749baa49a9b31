import {
  KVPolicyError,
  PINNED_MARK,
  type CacheRange,
  type CacheStream,
  type EvictionEvent,
  type KVCachePolicy,
} from "@kvpolicy/core";
import fc from "fast-check";

import { demand, messageOf } from "../breach.js";
import { defineLaw, type Law } from "../law.js";
import { forAll } from "../property.js";
import { rangeText } from "./ask.js";
import { failureOf, fewBudgets, isFine, openStream, runLong, text } from "./long-run.js";
import { budgetsOf, promisesOf, type PolicySubject } from "./subject.js";

const group = "streams";

/** Tokens that a short history may end before or behind a large budget. */
const NEAR = 128;

/** A policy under a stream. */
export const streamLaws: readonly Law<PolicySubject>[] = [
  defineLaw({
    group,
    name: "goes on for ever within its budget",
    why: "Running for ever in constant memory is what a policy is for.",
    concerns: (subject) => promisesOf(subject).endless,
    check: async (subject) => {
      for (const budget of fewBudgets(subject)) {
        const stream = openStream(subject.create(), budget);
        await runLong(stream);
        const { peakCells } = stream.stats;
        demand(peakCells <= budget, `it held ${peakCells} cells with a budget of ${budget}`);
      }
    },
  }),
  defineLaw({
    group,
    name: "evicts in a long stream what a policy evicts that was never asked before",
    why: "A counter, a cache or a random number shows only after many evictions.",
    check: async (subject) => {
      // A pin may end the stream of a policy with little room: whoever spares pins is tried without one, too.
      const pins = promisesOf(subject).pinned ? [false, true] : [false];
      for (const budget of fewBudgets(subject)) {
        for (const isPinned of pins) {
          const [lasting, fresh] = [
            await evictionsOf(subject.create(), budget, isPinned),
            await evictionsOf(forgetful(subject), budget, isPinned),
          ];
          const differs = lasting.findIndex((eviction, index) => eviction !== fresh[index]);
          demand(
            differs < 0 && lasting.length === fresh.length,
            `with a budget of ${budget} cells${isPinned ? " and a pin" : ""}, eviction ${differs} was ${lasting[differs] ?? "none"}, and by a new instance ${fresh[differs] ?? "none"}`,
          );
        }
      }
    },
  }),
  defineLaw({
    group,
    name: "works with every budget that it accepts",
    why: "A budget is checked when a stream opens, so that nothing fails later.",
    check: async (subject) => {
      for (const budget of budgetsOf(subject)) {
        const failure = await failureOf(openStream(subject.create(), budget).append(text(3 * budget)));
        demand(isFine(failure), `with a budget of ${budget} cells: ${String(failure)}`);
      }
    },
  }),
  defineLaw({
    group,
    name: "works under any marks",
    why: "Marks are the user's: turns, pins and names that the policy has never heard of.",
    check: (subject) => {
      const { pinned } = promisesOf(subject);
      return forAll(subject, historiesFor(subject), async (history) => {
        // Whoever does not promise to spare pins may be refused for them.
        const marks = pinned ? history.marks : history.marks.filter(({ name }) => name !== PINNED_MARK);
        const stream = openMarked(subject, { ...history, marks });
        const failure = await failureOf(stream.append(text(history.count)));
        demand(isFine(failure), String(failure));
      });
    },
  }),
  defineLaw({
    group,
    name: "keeps the same cells however the tokens are cut into calls",
    why: "Else a chat that is fed token by token remembers other things than one that is fed at once.",
    check: (subject) =>
      forAll(subject, historiesFor(subject), async (history) => {
        const whole = await outcome(openMarked(subject, history), [text(history.count)]);
        const pieces = await outcome(openMarked(subject, history), cut(text(history.count), history.sizes));
        demand(pieces === whole, `one call left ${whole}, several left ${pieces}`);
      }),
  }),
];

interface History {
  readonly budget: number;
  readonly bos: number | undefined;
  readonly count: number;
  readonly sizes: readonly number[];
  readonly marks: readonly { readonly name: string; readonly start: number; readonly size: number }[];
}

function historiesFor(subject: PolicySubject): fc.Arbitrary<History> {
  return fc.constantFrom(...budgetsOf(subject)).chain((budget) => {
    // Around the budget is where something happens; a small one is met again and again.
    const longest = budget + Math.min(budget, NEAR) + 20;
    return fc.record({
      budget: fc.constant(budget),
      bos: fc.constantFrom(undefined, 0),
      count: fc.integer({ min: Math.max(1, budget - NEAR), max: longest }),
      sizes: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 }),
      marks: fc.array(
        fc.record({
          name: fc.constantFrom(PINNED_MARK, "turn", "a name of its own"),
          start: fc.nat(longest),
          size: fc.integer({ min: 1, max: 6 }),
        }),
        { maxLength: 5 },
      ),
    });
  });
}

/** A policy that is made anew for every question. */
function forgetful(subject: PolicySubject): KVCachePolicy {
  const { name, requires, budget } = subject.create();
  return {
    name,
    requires,
    ...(budget !== undefined && { budget }),
    checkBudget: (cells) => subject.create().checkBudget?.(cells),
    plan: (view) => subject.create().plan(view),
    describe: () => subject.create().describe(),
  };
}

/** What a policy evicts in a long stream, as text, and what ended it. The token before the first eviction's newest may be pinned. */
async function evictionsOf(policy: KVCachePolicy, budget: number, isPinned: boolean): Promise<string[]> {
  const stream = openStream(policy, budget);
  if (isPinned)
    markIfAllowed(stream, PINNED_MARK, { start: Math.max(0, budget - 2), end: Math.max(1, budget - 1) });
  const evictions: string[] = [];
  stream.onEvict(({ position, ranges, survivors }) => {
    evictions.push(`${survivors} ${ranges.map(rangeText).join(" ")} at ${position}`);
  });
  const failure = await failureOf(runLong(stream));
  return failure === undefined ? evictions : [...evictions, `a failure: ${messageOf(failure)}`];
}

function openMarked(subject: PolicySubject, { budget, bos, marks }: History): CacheStream {
  const stream = openStream(subject.create(), budget, bos);
  for (const { name, start, size } of marks) markIfAllowed(stream, name, { start, end: start + size });
  return stream;
}

/** A stream refuses pins that would let nothing leave. */
function markIfAllowed(stream: CacheStream, name: string, range: CacheRange): void {
  try {
    stream.mark(name, range);
  } catch (error) {
    if (!KVPolicyError.isInstance(error, "config")) throw error;
  }
}

/** What a stream is left with, and what was evicted on the way, as text. */
async function outcome(stream: CacheStream, pieces: readonly Uint32Array[]): Promise<string> {
  const events: EvictionEvent[] = [];
  stream.onEvict((event) => events.push(event));
  let failure: unknown;
  for (const piece of pieces) failure ??= await failureOf(stream.append(piece));
  const evictions = events.map(({ position, positions }) => `at ${position}: ${positions.join(" ")}`);
  const end = KVPolicyError.isInstance(failure) ? failure.code : String(failure);
  return `cells ${stream.cells().positions.join(" ")}; evicted ${evictions.join(", ")}; ended by ${end}`;
}

/** Cuts tokens into pieces of the given sizes, again and again. */
function cut(tokens: Uint32Array, sizes: readonly number[]): Uint32Array[] {
  const pieces: Uint32Array[] = [];
  for (let start = 0; start < tokens.length;) {
    const end = start + (sizes[pieces.length % sizes.length] ?? 1);
    pieces.push(tokens.subarray(start, end));
    start = end;
  }
  return pieces;
}
