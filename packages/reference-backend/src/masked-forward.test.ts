import { createStream, type KVCachePolicy } from "@kvpolicy/core";
import { predictionError, recordTrace, type Trace } from "@kvpolicy/conformance";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { describe, expect, test } from "vitest";

import { loadCase } from "../testing/cases.js";
import { maskedForward, receptiveField, ReferenceBackend } from "./index.js";

const model = await loadCase({ architecture: "llama", layers: 2, heads: 2, headSize: 8 });

/** What a stream under a policy leaves behind. */
async function streamed(policy: KVCachePolicy, count: number): Promise<{ trace: Trace; nlls: Float64Array }> {
  const { backend, trace } = recordTrace(new ReferenceBackend(model, { capacity: 24 }));
  await using stream = createStream({ backend, policy, budget: 24 });
  const tokens = Uint32Array.from({ length: count }, (_, index) => (index * index * 7 + 3 * index) % 300);
  const nlls = await stream.score(tokens);
  return { trace: trace(), nlls };
}

describe("a stream under a policy", () => {
  test.each([
    sinkWindow({ sinks: 4, stride: 3 }),
    sinkWindow({ sinks: 1, stride: 1 }),
    recompute({ stride: 8 }),
  ])("predicts what the masked forward pass over its history predicts: %o", async (policy) => {
    const { trace, nlls } = await streamed(policy, 120);
    const rows = trace.tokens.length - 2;
    const [expected] = maskedForward(model, trace, [rows]);
    expect(nlls.at(-1)).toBeCloseTo(-expected![trace.tokens.at(-1)!]!, 9);
  });

  test("a fresh pass over the survivors alone is no oracle: they remember what was evicted", async () => {
    const { trace, nlls } = await streamed(sinkWindow({ sinks: 4, stride: 3 }), 120);
    const survivors = trace.visible.at(-1)!;
    const fresh: Trace = {
      tokens: Uint32Array.from(survivors, (row) => trace.tokens[row]!),
      visible: Array.from(survivors, (_, rank) =>
        Uint32Array.from({ length: rank + 1 }, (__, index) => index),
      ),
    };
    const [expected] = maskedForward(model, fresh, [survivors.length - 2]);
    expect(Math.abs(nlls.at(-1)! + expected![trace.tokens.at(-1)!]!)).toBeGreaterThan(0.01);
  });
});

describe("the receptive field", () => {
  test("predicts the same as the whole history, and stays short however long that is", async () => {
    const sizes: number[] = [];
    for (const count of [200, 400]) {
      const { trace } = await streamed(sinkWindow({ sinks: 4, stride: 5 }), count);
      const field = receptiveField(model, trace, [count - 1]);
      sizes.push(field.trace.tokens.length);
      const [part] = maskedForward(model, field.trace, field.rows);
      const [whole] = maskedForward(model, trace, [count - 1]);
      expect(predictionError(part!, whole!)).toBeLessThan(1e-12);
    }
    expect(sizes[0]).toBe(sizes[1]);
    expect(sizes[0]).toBeLessThanOrEqual(2 * 24 + 4);
  });

  test("a layer less would not do", async () => {
    const { trace } = await streamed(sinkWindow({ sinks: 4, stride: 5 }), 200);
    const field = receptiveField({ ...model, layers: model.layers.slice(1) }, trace, [199]);
    const [part] = maskedForward(model, field.trace, field.rows);
    const [whole] = maskedForward(model, trace, [199]);
    expect(predictionError(part!, whole!)).toBeGreaterThan(1e-6);
  });
});

describe("a trace that cannot be is refused:", () => {
  const lists = (...visible: number[][]): Uint32Array[] => visible.map((seen) => Uint32Array.from(seen));

  test.each<[string, Trace, number[]]>([
    ["fewer lists than tokens", { tokens: Uint32Array.of(1, 2), visible: lists([0]) }, [0]],
    ["a token outside the vocabulary", { tokens: Uint32Array.of(1, 300), visible: lists([0], [0, 1]) }, [1]],
    ["a row that sees nothing", { tokens: Uint32Array.of(1, 2), visible: lists([0], []) }, [1]],
    ["a row that does not see itself", { tokens: Uint32Array.of(1, 2), visible: lists([0], [0]) }, [1]],
    ["a row that looks ahead", { tokens: Uint32Array.of(1, 2), visible: lists([0, 1], [0, 1]) }, [1]],
    ["a row that sees what is not there", { tokens: Uint32Array.of(1), visible: lists([7]) }, [0]],
    ["rows out of order", { tokens: Uint32Array.of(1, 2, 3), visible: lists([0], [1], [1, 0, 2]) }, [2]],
    ["an asked row that is not there", { tokens: Uint32Array.of(1), visible: lists([0]) }, [1]],
  ])("%s", (_, trace, rows) => {
    expect(() => maskedForward(model, trace, rows)).toThrow(expect.objectContaining({ code: "range" }));
    expect(() => receptiveField(model, trace, rows)).toThrow(expect.objectContaining({ code: "range" }));
  });

  test("more cells than the sliding window of a model", () => {
    const trace = { tokens: Uint32Array.of(1, 2), visible: lists([0], [0, 1]) };
    const windowed = { ...model, slidingWindow: 1 };
    for (const call of [maskedForward, receptiveField]) {
      expect(() => call(windowed, trace, [1])).toThrow(
        /number of cells is 2, not a whole number from 1 to 1/,
      );
    }
  });
});
