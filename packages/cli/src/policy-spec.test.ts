import { KVPolicyError } from "@kvpolicy/core";
import { describe, expect, it } from "vitest";

import { parsePolicySpec } from "./policy-spec.js";

describe("parsePolicySpec", () => {
  it.each([
    ["dense", 4, { name: "dense" }],
    ["window", 4, { name: "window", options: { window: null, stride: 4 } }],
    ["window:stride=half", 4, { options: { window: null, stride: "half" } }],
    ["sink-window:sinks=1,stride=16", 4, { options: { sinks: 1, window: null, stride: 16 } }],
    ["sink-window", "half", { options: { sinks: 4, window: null, stride: "half" } }],
    ["recompute:head=none,stride=64", 4, { options: { window: null, stride: 64, head: "none" } }],
    ["recompute:head=2", 4, { options: { window: null, stride: 4, head: 2 } }],
    ["recompute", 4, { options: { window: null, stride: 4, head: "bos" } }],
    ["sink-window", undefined, { options: { sinks: 4, window: null, stride: null } }],
    ["pinned(window)", 4, { name: "pinned", inner: { name: "window", options: { stride: 4 } } }],
    [
      "pinned(turn-aligned(sink-window:sinks=1,stride=8))",
      4,
      { name: "pinned", inner: { name: "turn-aligned", inner: { options: { sinks: 1, stride: 8 } } } },
    ],
  ] as const)("reads %s", (spec, stride, description) => {
    const { name, policy } = parsePolicySpec(spec, stride);
    expect(name).toBe(spec);
    expect(policy.describe()).toMatchObject(description);
  });

  it.each([
    ["streaming", /there is no policy "streaming"; known are dense, window, recompute, sink-window/],
    ["", /there is no policy/],
    ["dense:stride=1", /"stride" is no option of this policy; it takes none/],
    ["window:sinks=1", /"sinks" is no option of this policy; it takes stride/],
    ["window:stride", /"stride" is not option=value/],
    ["window:stride=", /is not option=value/],
    ["window:stride=1=2", /is not option=value/],
    ["window:stride=0", /stride must be half or a whole number of at least 1, not "0"/],
    ["window:stride=1.5", /not "1.5"/],
    ["window:stride=1,stride=2", /stride is given twice/],
    ["sink-window:sinks=-1", /sinks must be a whole number of at least 0/],
    ["recompute:head=all", /head must be none, bos or a whole number/],
    ["window:stride=1:2", /more than one colon/],
    ["pinned", /"pinned" wraps another policy, which it has in brackets: pinned\(sink-window\)/],
    ["pinned()", /there is no policy ""/],
    ["pinned(sink-window", /its brackets do not match/],
    ["window(dense)", /no policy "window" wraps another; those that do are pinned, turn-aligned/],
    [
      "pinned(turn-aligned(streaming))",
      /--policy pinned\(turn-aligned\(streaming\)\) .* no policy "streaming"/,
    ],
  ])("refuses %j", (spec, message) => {
    let error: unknown;
    try {
      parsePolicySpec(spec, 1);
    } catch (thrown) {
      error = thrown;
    }
    expect(KVPolicyError.isInstance(error, "config")).toBe(true);
    expect((error as Error).message).toMatch(message);
  });
});
