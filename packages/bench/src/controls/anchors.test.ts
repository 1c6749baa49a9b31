import { policySuite } from "@kvpolicy/conformance";
import { createStream } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { sinkWindow } from "@kvpolicy/sink-window";
import { describe, expect, test } from "vitest";

import { anchors } from "./anchors.js";

policySuite(
  { describe, test },
  {
    name: "anchors({ positions: [9, 3, 4] })",
    create: () => anchors({ positions: [9, 3, 4] }),
    promises: { newest: true, endless: true },
    budgets: { minimum: 5, maximum: 48 },
  },
);

/** Stream positions that are cached at the end. */
async function keptOf(policy: ReturnType<typeof anchors>, budget: number, tokens: number): Promise<number[]> {
  const backend = new FakeBackend({ capacity: budget });
  await using stream = createStream({ backend, policy, budget });
  await stream.append(Uint32Array.from({ length: tokens }, (_, index) => index));
  return [...backend.tokens];
}

test("keeps the anchors and the newest", async () => {
  expect(await keptOf(anchors({ positions: [9, 3, 4] }), 6, 20)).toEqual([3, 4, 9, 17, 18, 19]);
});

test("anchors on the first tokens are sinks", async () => {
  expect(await keptOf(anchors({ positions: [0, 1], stride: 3 }), 8, 33)).toEqual(
    await keptOf(sinkWindow({ sinks: 2, stride: 3 }), 8, 33),
  );
});

test.each([
  [{ positions: [1, 1] }, /stands twice/],
  [{ positions: [1.5] }, /positions/],
  [{ positions: [-1] }, /positions/],
  [{ positions: [], stride: 0 }, /stride/],
])("refuses %o", (options, message) => {
  expect(() => anchors(options)).toThrow(
    expect.objectContaining({ code: "config", message: expect.stringMatching(message) as string }),
  );
});

test("refuses a budget without room", () => {
  expect(anchors({ positions: [1, 2, 3] }).checkBudget?.(3)).toMatch(/3 anchors and a stride of 1/);
  expect(anchors({ positions: [1, 2, 3] }).checkBudget?.(4)).toBeUndefined();
});
