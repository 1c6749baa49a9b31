import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { createStream } from "./create-stream.js";
import { PINNED_MARK } from "./mark.js";
import { definePolicy, type KVCachePolicy } from "./policy.js";
import type { CacheRange } from "./range.js";
import type { CacheStream } from "./stream.js";
import { FakeBackend } from "./testing/fake-backend.js";

/** Evicts the first cell behind some first ones that is not pinned. */
function sparing(first: number): KVCachePolicy {
  return definePolicy({
    name: "sparing",
    plan: ({ length, marks }) => {
      const pins = marks.filter(({ name }) => name === PINNED_MARK);
      for (let index = first; index < length; index += 1) {
        if (pins.some(({ start, end }) => start <= index && index < end)) continue;
        return { evict: [{ start: index, end: index + 1 }], survivors: "reuse" };
      }
      return null;
    },
  });
}

function open(policy: KVCachePolicy, budget: number): CacheStream {
  return createStream({ backend: new FakeBackend(), policy, budget });
}

function codeOf(task: () => void): string | undefined {
  try {
    task();
    return undefined;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe("pins are refused", () => {
  test("when with them nothing could leave, and are not set then", async () => {
    const stream = open(sparing(2), 8);
    stream.mark(PINNED_MARK, { start: 2, end: 7 });
    expect(() => {
      stream.mark(PINNED_MARK, { start: 100, end: 101 });
    }).toThrow(
      expect.objectContaining({
        code: "config",
        details: { option: PINNED_MARK, value: { start: 100, end: 101 } },
        message: expect.stringMatching(/too little to evict from, with 6 of 8 cells pinned/) as string,
      }),
    );
    await stream.append(new Uint32Array(300));
    expect([...stream.cells().positions]).toEqual([0, 1, 2, 3, 4, 5, 6, 299]);
  });

  test("when there are more of them than cells, to the end of time too", () => {
    const range = { start: 0, end: Number.MAX_SAFE_INTEGER };
    expect(
      codeOf(() => {
        open(sparing(0), 8).mark(PINNED_MARK, range);
      }),
    ).toBe("config");
  });

  test("not for what would let nothing leave without them", () => {
    const dense = definePolicy({ name: "dense", plan: () => null });
    expect(
      codeOf(() => {
        open(dense, 8).mark(PINNED_MARK, { start: 0, end: 20 });
      }),
    ).toBeUndefined();
  });

  test("not for a policy that fails, which is named when it is asked in earnest", async () => {
    const failing = definePolicy({
      name: "failing",
      plan: () => {
        throw new Error("a bug");
      },
    });
    const stream = open(failing, 8);
    stream.mark(PINNED_MARK, { start: 0, end: 20 });
    await expect(stream.append(new Uint32Array(9))).rejects.toMatchObject({ code: "invalid-plan" });
  });

  test("with likelihoods of its own in the view", async () => {
    const seen: number[] = [];
    const policy = definePolicy({
      name: "loud",
      requires: ["nll"],
      plan: ({ length, nll, streamPosition, token }) => {
        for (let index = 0; index < length; index += 1)
          seen.push(streamPosition(index), token(index), nll?.(index) ?? NaN);
        return { evict: [{ start: 0, end: 1 }], survivors: "reuse" };
      },
    });
    const stream = open(policy, 4);
    const nlls = await stream.score([7, 8]);
    stream.mark(PINNED_MARK, { start: 9, end: 10 });
    expect(seen).toEqual([0, 7, NaN, 1, 8, nlls[1], 2, 0, 0, 9, 0, 0]);
  });
});

const ranges = fc.record({ start: fc.nat(40), size: fc.integer({ min: 1, max: 6 }) });

test("a pin is refused exactly when first cells and pins would fill the cache", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 12 }),
      fc.nat(3),
      fc.array(fc.record({ pin: ranges, before: fc.nat(10) }), { maxLength: 6 }),
      async (budget, first, steps) => {
        fc.pre(first < budget);
        const stream = open(sparing(first), budget);
        const accepted: CacheRange[] = [];
        for (const { pin, before } of steps) {
          await stream.append(new Uint32Array(before));
          const range = { start: pin.start, end: pin.start + pin.size };
          const live = new Set(stream.cells().positions);
          const stays = (position: number): boolean => live.has(position) || position >= stream.position;
          const positions = Array.from({ length: pin.size }, (_, offset) => pin.start + offset);
          if (!positions.some(stays)) continue;
          const kept = new Set<number>();
          for (const { start, end } of [...accepted, range]) {
            for (let position = start; position < end; position += 1) if (stays(position)) kept.add(position);
          }
          // The first cells of the next full cache: those that are there, or to come.
          const pinned = [...kept].sort((one, other) => one - other).slice(0, budget);
          const others = [...live].filter((position) => !kept.has(position));
          for (let position = stream.position; others.length < budget; position += 1)
            if (!kept.has(position)) others.push(position);
          const full = [...pinned, ...others.slice(0, budget - pinned.length)].sort((a, b) => a - b);
          const isFilled = full.slice(first).every((position) => kept.has(position));
          const code = codeOf(() => {
            stream.mark(PINNED_MARK, range);
          });
          expect(code).toBe(isFilled ? "config" : undefined);
          if (code === undefined) accepted.push(range);
        }
        // What was accepted never ends the stream.
        await stream.append(new Uint32Array(100));
        expect(stream.length).toBe(budget);
      },
    ),
  );
});
