import { createStream, PINNED_MARK, TURN_MARK } from "@kvpolicy/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { createPolicy } from "../policies.js";
import type { PolicySetting } from "../policy-setting.js";
import { toRanges } from "./marks.js";
import { simulate, type Simulation, type TextMarks } from "./simulate.js";
import { tokenize, type TokenizedText } from "./tokenize.js";
import { WordBackend } from "./word-backend.js";

const NO_MARKS: TextMarks = { pinned: [], turns: [] };
const ALPHABET = tokenize("a b c d e f g h i j k l m n o p q r s t u v w x y z");

function run(setting: Partial<PolicySetting>, budget: number, marks = NO_MARKS): Promise<Simulation> {
  const whole = { policy: "sink-window", options: {}, ...setting };
  return simulate({ setting: whole, budget, text: ALPHABET, marks });
}

function cellsOf({ frames }: Simulation, position: number): number[] {
  return [...(frames[position]?.cells ?? [])];
}

describe("a simulation", () => {
  test("has a frame for every number of tokens read", async () => {
    const { frames, refusal } = await run({}, 8);
    expect(frames.map(({ position }) => position)).toEqual(Array.from({ length: 27 }, (_, index) => index));
    expect(refusal).toBeUndefined();
  });

  test("fills the cells, then keeps the sinks and the window", async () => {
    const simulation = await run({ options: { sinks: 2 } }, 8);
    expect(cellsOf(simulation, 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(cellsOf(simulation, 9)).toEqual([0, 1, 3, 4, 5, 6, 7, 8]);
    expect(cellsOf(simulation, 26)).toEqual([0, 1, 20, 21, 22, 23, 24, 25]);
    expect(simulation.firstCells).toBe(2);
  });

  test("tells what left with the token that needed the room", async () => {
    const { frames } = await run({ options: { sinks: 2, stride: 3 } }, 8);
    expect(frames[8]?.eviction).toBeUndefined();
    expect(frames[9]?.eviction).toMatchObject({ position: 8, positions: Float64Array.of(2, 3, 4) });
    expect(frames[10]?.eviction).toBeUndefined();
    expect(frames[9]?.stats).toMatchObject({ evictions: 1, evictedTokens: 3, tokens: 9 });
  });

  test("counts what is evaluated again", async () => {
    const { frames } = await run({ policy: "recompute" }, 8);
    expect(frames[9]?.stats).toMatchObject({ tokens: 9, recomputedTokens: 7 });
  });

  test("ends where the policy lets nothing leave", async () => {
    const { frames, refusal } = await run({ policy: "dense" }, 8);
    expect(frames).toHaveLength(9);
    expect(refusal).toMatchObject({ code: "cache-full" });
  });

  test("ends where a policy would evict pins that it does not know of", async () => {
    const pins = { ...NO_MARKS, pinned: [{ start: 5, end: 6 }] };
    const { frames, refusal } = await run({ options: { sinks: 2 } }, 8, pins);
    expect(refusal).toMatchObject({ code: "invalid-plan" });
    expect(frames).toHaveLength(12);
    const simulation = await run({ options: { sinks: 2 }, wrappers: ["pinned"] }, 8, pins);
    expect(cellsOf(simulation, 26)).toEqual([0, 1, 5, 21, 22, 23, 24, 25]);
  });

  test("says which pins the stream does not take, and goes on without them", async () => {
    const pins = { ...NO_MARKS, pinned: [{ start: 0, end: 20 }] };
    const { frames, refusal, refusedPins } = await run({ wrappers: ["pinned"] }, 8, pins);
    expect(refusedPins).toMatchObject([{ code: "config" }]);
    expect(refusal).toBeUndefined();
    expect(frames).toHaveLength(27);
  });

  test("lets whole turns leave", async () => {
    const turns = { ...NO_MARKS, turns: [2, 6, 12] };
    const { frames } = await run({ options: { sinks: 2 }, wrappers: ["turn-aligned"] }, 10, turns);
    expect(frames[11]?.eviction?.positions).toEqual(Float64Array.of(2, 3, 4, 5));
  });

  test("of a setting that cannot work has one empty frame and the error", async () => {
    const { frames, refusal } = await run({ options: { sinks: 8 } }, 8);
    expect(frames).toMatchObject([{ position: 0, cells: new Float64Array(0) }]);
    expect(refusal).toMatchObject({ code: "config" });
  });

  test("can be stopped", async () => {
    const signal = AbortSignal.abort("enough");
    const setting = { policy: "window", options: {} };
    await expect(simulate({ setting, budget: 8, text: ALPHABET, marks: NO_MARKS, signal })).rejects.toBe(
      "enough",
    );
  });
});

const anySetting = fc.constantFrom<PolicySetting>(
  { policy: "sink-window", options: { sinks: 1 } },
  { policy: "sink-window", options: { sinks: 0, stride: "half" } },
  { policy: "window", options: {} },
  { policy: "recompute", options: { stride: 2 } },
  { policy: "head-tail", options: { head: 0.3 } },
  { policy: "separator", options: { sinks: 1, separators: 1 } },
  { policy: "dispersed", options: { sinks: 0, anchors: 2, spacing: 2 } },
  { policy: "surprise", options: { sinks: 1, surprises: 1 } },
);
const anyWrappers = fc.subarray<"pinned" | "turn-aligned">(["pinned", "turn-aligned"]);
const anyText = fc
  .array(fc.constantFrom("a", "b", "cc", "ddd", "."), { minLength: 1, maxLength: 60 })
  .map((words) => tokenize(words.join(" ")));
const anyMarks = fc.record({
  pinned: fc.uniqueArray(fc.nat(40), { maxLength: 3 }).map(toRanges),
  turns: fc.uniqueArray(fc.nat(40), { maxLength: 4 }),
});

test("cells shown are the true cells of a stream that reads the same", async () => {
  await fc.assert(
    fc.asyncProperty(
      anySetting,
      anyWrappers,
      fc.integer({ min: 4, max: 12 }),
      anyText,
      anyMarks,
      fc.nat(60),
      async (plain, wrappers, budget, text, marks, count) => {
        const setting = { ...plain, wrappers };
        const simulation = await simulate({ setting, budget, text, marks });
        const position = Math.min(count, simulation.frames.length - 1);
        const shown = simulation.frames[position]?.cells ?? new Float64Array(0);
        const truth = await readAtOnce(setting, budget, text, marks, position);
        expect(shown).toEqual(truth.positions);
        // The backend holds the words that the positions name.
        expect(Array.from(shown, (index) => text.ids[index])).toEqual([...truth.backend]);
      },
    ),
  );
});

interface Truth {
  readonly positions: Float64Array;
  readonly backend: readonly number[];
}

/** The cells after so many tokens in one call. */
async function readAtOnce(
  setting: PolicySetting,
  budget: number,
  text: TokenizedText,
  { pinned, turns }: TextMarks,
  count: number,
): Promise<Truth> {
  const policy = createPolicy(setting, (isWanted) =>
    text.vocabulary.flatMap((word, id) => (isWanted(word) ? [id] : [])),
  );
  const backend = new WordBackend(text, { capacity: budget });
  const stream = createStream({ backend, policy, budget });
  for (const start of turns) stream.mark(TURN_MARK, { start, end: start + 1 });
  for (const range of pinned) {
    try {
      stream.mark(PINNED_MARK, range);
    } catch {
      // The simulation leaves such a pin out, too.
    }
  }
  await stream.append(text.ids.subarray(0, count));
  return { positions: stream.cells().positions, backend: backend.tokens };
}
