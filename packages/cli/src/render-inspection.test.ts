import type { ModelInspection } from "@kvpolicy/llamacpp-adapter";
import { describe, expect, it } from "vitest";

import { mergeProbe } from "./inspect-command.js";
import { renderInspection } from "./render-inspection.js";
import type { Probe } from "./run-probe.js";

const INSPECTION: ModelInspection = {
  facts: {
    architecture: "gemma3",
    name: "Gemma",
    layers: 6,
    trainedLength: 8192,
    vocabularySize: 262_144,
    headSize: { key: 256, value: 256 },
    positions: "rotary",
    rotatedDimensions: null,
    ropeScaling: { type: "linear", factor: 8 },
    slidingWindow: 512,
    bos: 2,
    prependsBos: true,
  },
  keyType: "F16",
  flashAttention: false,
  reuse: {
    fidelity: "unsupported",
    reason: "layers with a sliding window of 512 tokens drop cells by themselves",
    metadata: { "gemma3.attention.sliding_window": 512 },
    remedy: { text: "take another model" },
  },
  recompute: { fidelity: "exact", reason: "survivors are computed again: no key is moved", metadata: {} },
  dense: { fidelity: "exact", reason: "nothing is evicted: no key is moved", metadata: {} },
  selfTest: null,
};

describe("renderInspection", () => {
  it("shows the facts and a table with the reasons, broken at the width", () => {
    const text = renderInspection({ ...INSPECTION, model: "gemma.gguf", probe: "skipped" }, { width: 72 });
    expect(text.split("\n")).toEqual([
      "model       gemma.gguf (Gemma)",
      "made of     gemma3, 6 layers, 262,144 tokens",
      "trained on  8,192 positions",
      "positions   rotary, 256 of 256 numbers of a key; scaling linear by 8",
      "window      512 tokens in some layers",
      "bos         token 2, put in front of a text",
      "keys        F16",
      "",
      "policies             fidelity     why",
      "window, sink-window  unsupported  layers with a sliding window of 512",
      "                                  tokens drop cells by themselves",
      "recompute            exact        survivors are computed again: no key",
      "                                  is moved",
      "dense                exact        nothing is evicted: no key is moved",
      "",
      "remedy      take another model",
      "metadata    gemma3.attention.sliding_window = 512",
      "probe       skipped",
    ]);
  });

  it("shows what the self-test measured against its bounds", () => {
    const selfTest = { error: 0.00042, noise: 0.0003, threshold: 0.005, largestNoise: 0.005, passed: true };
    const text = renderInspection(
      { ...INSPECTION, selfTest, model: "m", probe: "completed" },
      { width: 120 },
    );
    expect(text).toContain(
      "self-test   passed: error 0.042 % (at most 0.5 %), there and back 0.03 % (at most 0.5 %)",
    );
  });
});

describe("mergeProbe", () => {
  const movable: ModelInspection = {
    ...INSPECTION,
    reuse: { fidelity: "chunked", reason: "F16", metadata: {} },
  };
  const ended = (decoded: boolean): Probe => ({
    status: "ended",
    end: "signal SIGABRT",
    decoded,
    lastWords: "GGML_ASSERT(buffer) failed",
  });
  const fidelities = ({ reuse, recompute, dense }: ModelInspection): string[] =>
    [reuse, recompute, dense].map(({ fidelity }) => fidelity);

  it("takes what was tried over what the file says", () => {
    expect(mergeProbe(INSPECTION, { status: "completed", inspection: movable })).toBe(movable);
    expect(mergeProbe(INSPECTION, undefined)).toBe(INSPECTION);
  });

  it("says that a process that ended after it decoded cannot move keys, and before it nothing", () => {
    const afterwards = mergeProbe(movable, ended(true));
    expect(fidelities(afterwards)).toEqual(["unsupported", "exact", "exact"]);
    expect(afterwards.reuse.reason).toBe(
      "the probe ended the process (signal SIGABRT): GGML_ASSERT(buffer) failed",
    );
    expect(fidelities(mergeProbe(movable, ended(false)))).toEqual(Array(3).fill("unsupported"));
  });

  it("keeps the reason that the file already gave", () => {
    expect(mergeProbe(INSPECTION, ended(true)).reuse).toBe(INSPECTION.reuse);
  });
});
