import type { GgufMetadata } from "node-llama-cpp";
import { afterEach, describe, expect, test, vi } from "vitest";

import { checkReindex } from "./reindex-gate.js";
import { findObstacle, readSlidingWindow, type ReindexFacts } from "./reindex-rules.js";
import { readRotaryMagnitude } from "./rotary-magnitude.js";

function facts(
  architecture: string,
  settings: object = {},
  others: Partial<ReindexFacts> = {},
): ReindexFacts {
  return {
    metadata: { general: { architecture }, [architecture]: settings } as unknown as GgufMetadata,
    keyType: "F16",
    onCpu: true,
    ...others,
  };
}

const window = (sliding_window: number, context_length: number): object => ({
  context_length,
  attention: { sliding_window },
});
const heads64 = { embedding_length: 512, attention: { head_count: 8 } };

describe("models whose keys can be moved", () => {
  test.each([
    ["llama", {}, {}],
    ["gptneox, partial rotary", { rope: { dimension_count: 16 } }, {}],
    ["mpt, ALiBi", { attention: { max_alibi_bias: 8 } }, {}],
    ["bloom with BF16 keys", {}, { keyType: "BF16" as const }],
    [
      "mpt with Q8_0 keys of odd heads",
      { attention: { max_alibi_bias: 8, key_length: 48 } },
      { keyType: "Q8_0" as const },
    ],
    [
      "llama with a sliding window that it ignores",
      { attention: { sliding_window: 4096 }, context_length: 32768 },
      {},
    ],
    ["gemma3 without a sliding window", { attention: {} }, {}],
    ["mimo2 with a window as long as all it was trained on", window(8192, 8192), {}],
    ["glm4 with sections of 0", { rope: { dimension_sections: [0, 0, 0, 0] } }, {}],
    ["exaone4 of 1.2B", { block_count: 30 }, {}],
    [
      "mistral3 with YaRN that cancels itself",
      { rope: { scaling: { type: "yarn", factor: 16, yarn_log_multiplier: 1 } } },
      {},
    ],
    ["llama with linear scaling", { rope: { scaling: { type: "linear", factor: 4 } } }, {}],
    ["llama with YaRN of factor 1", { rope: { scaling: { type: "yarn", factor: 1 } } }, {}],
    ["deepseek2", { rope: { scaling: { type: "yarn", factor: 40, yarn_log_multiplier: 0.0707 } } }, {}],
    ["llama with Q8_0 keys", heads64, { keyType: "Q8_0" as const }],
    ["llama with BF16 keys on a GPU", {}, { keyType: "BF16" as const, onCpu: false }],
    ["baichuan of 7B", { block_count: 32 }, {}],
  ])("%s", (name, settings, others) => {
    expect(checkReindex(facts(name.split(/[ ,]/)[0] ?? "", settings, others))).toBe(true);
  });
});

describe("models whose keys cannot be moved are refused with the reason and what still works", () => {
  test.each([
    ["qwen2vl", {}, {}, /M-RoPE.*end the process/],
    ["an unknown one with rope sections", { rope: { dimension_sections: [16, 24, 24, 0] } }, {}, /M-RoPE/],
    ["smollm3", {}, {}, /no rotary embedding/],
    ["cohere2", {}, {}, /no rotary embedding/],
    ["hunyuan-moe", {}, {}, /normalises keys/],
    ["gpt2", {}, {}, /learned and part of what is cached/],
    ["step35", {}, {}, /ends the process/],
    ["baichuan of 13B", { block_count: 40 }, {}, /ALiBi/],
    ["starcoder", {}, {}, /learned/],
    ["mpt without ALiBi", { attention: {} }, {}, /learned/],
    ["hunyuan-dense", {}, {}, /normalises keys/],
    ["hunyuan_vl", {}, {}, /normalises keys/],
    ["exaone4 of 32B", { block_count: 64 }, {}, /no rotary embedding/],
    ["deepseek4", {}, {}, /caches compressed ones or those of an indexer/],
    ["glm-dsa", {}, {}, /indexer/],
    ["mamba", {}, {}, /recurrent/],
    ["an architecture that the engine calls recurrent", {}, { isRecurrent: true }, /recurrent/],
    ["an architecture with a state space", { ssm: { state_size: 16 } }, {}, /recurrent/],
    ["gemma3", window(1024, 32768), {}, /sliding window of 1024/],
    [
      "mimo2 with more cells than the window",
      window(8192, 8192),
      { cells: 10_000 },
      /sliding window of 8192/,
    ],
    [
      "mimo2 with windows in all layers",
      { context_length: 64, attention: { sliding_window: 1 << 20, sliding_window_pattern: [true, true] } },
      {},
      /all of its layers have a sliding window.*end the process/,
    ],
    ["qwen2 with YaRN", { rope: { scaling: { type: "yarn", factor: 4 } } }, {}, /YaRN with a factor of 4/],
    ["phi3", { rope: { scaling: { attn_factor: 1.19 } } }, {}, /attention factor of 1.19/],
    ["llama with BF16 keys", {}, { keyType: "BF16" as const }, /BF16/],
    [
      "llama with Q8_0 keys of odd heads",
      { ...heads64, attention: { head_count: 16 } },
      { keyType: "Q8_0" as const },
      /heads of 32, 32/,
    ],
    [
      "gptneox with Q8_0 keys",
      { ...heads64, rope: { dimension_count: 16 } },
      { keyType: "Q8_0" as const },
      /heads of 64, 16/,
    ],
    ["phi2 with Q4_0 keys of unknown size", {}, { keyType: "Q4_0" as const }, /heads of NaN/],
  ])("%s", (name, settings, others, reason) => {
    const capability = checkReindex(facts(name.split(" ")[0] ?? "", settings, others));
    expect(capability).toMatch(reason);
    expect(capability).toContain("recompute the survivors still work");
  });
});

afterEach(() => {
  vi.unstubAllEnvs();
});

test("Q8_0 keys are refused while the environment turns off what moving them needs", () => {
  const check = (): unknown => checkReindex(facts("llama", heads64, { keyType: "Q8_0" }));
  vi.stubEnv("LLAMA_ATTN_ROT_DISABLE", "1");
  expect(check()).toMatch(/LLAMA_ATTN_ROT_DISABLE/);
  vi.stubEnv("LLAMA_ATTN_ROT_DISABLE", "0");
  expect(check()).toBe(true);
});

test("an encoder has no cache, so that nothing still works", () => {
  expect(checkReindex(facts("bert"))).toBe(
    "bert: it is an encoder or writes by diffusion, and llama.cpp keeps no cache for it",
  );
});

describe("an obstacle names the settings that say so", () => {
  test.each([
    [
      "qwen2",
      { rope: { scaling: { type: "yarn", factor: 4 } } },
      { "qwen2.rope.scaling.type": "yarn", "qwen2.rope.scaling.factor": 4 },
    ],
    [
      "gemma3",
      window(1024, 4096),
      { "gemma3.attention.sliding_window": 1024, "gemma3.context_length": 4096 },
    ],
    [
      "qwen2vl",
      { rope: { dimension_sections: [16, 24, 24, 0n] } },
      { "qwen2vl.rope.dimension_sections": [16, 24, 24, 0] },
    ],
    ["smollm3", {}, {}],
  ])("%s", (architecture, settings, metadata) => {
    const obstacle = findObstacle(facts(architecture, settings));
    expect(obstacle?.metadata).toEqual({ "general.architecture": architecture, ...metadata });
    expect(JSON.parse(JSON.stringify(obstacle))).toEqual(obstacle);
  });
});

describe("YaRN is left away only where that is sound", () => {
  const remedyOf = (architecture: string, scaling: object): unknown =>
    findObstacle(
      facts(architecture, {
        rope: { scaling: { type: "yarn", factor: 4, original_context_length: 32768, ...scaling } },
      }),
    )?.remedy;

  test("with the length within which it holds", () => {
    expect(remedyOf("qwen2", {})).toMatchObject({
      metadataOverrides: { qwen2: { rope: { scaling: { type: "none" } } } },
      largestBudget: 32768,
    });
  });

  test.each([
    ["a model that was trained with it", "gpt-oss", {}],
    ["a model that was trained further with it", "llama", { finetuned: true }],
    ["a model whose original length is not known", "qwen2", { original_context_length: undefined }],
    ["an attention factor, which stays without YaRN", "llama", { attn_factor: 1.2 }],
  ])("not for %s", (_, architecture, scaling) => {
    const facts = remedyOf(architecture, scaling);
    expect(facts).toBeUndefined();
  });
});

describe("by how much a rotation scales", () => {
  test.each([
    ["llama", {}, 1],
    ["llama", { type: "linear", factor: 4 }, 1],
    ["llama", { type: "yarn", factor: 4 }, 1.1386],
    ["llama", { type: "yarn", factor: 4, attn_factor: 0.5 }, 0.5693],
    ["llama", { type: "yarn", factor: 4, yarn_log_multiplier: 1 }, 1.1386],
    ["phi3", { type: "longrope", attn_factor: 1.19 }, 1.19],
    ["deepseek2", { type: "yarn", factor: 40, yarn_log_multiplier: 0.0707 }, 1],
    ["mistral3", { type: "yarn", factor: 16, yarn_log_multiplier: 1 }, 1],
    ["mistral3", { type: "yarn", factor: 16 }, 1.2773],
    ["mistral4", { type: "yarn", factor: 128, yarn_log_multiplier: 0.1 }, 1],
  ])("%s with %o", (architecture, scaling, magnitude) => {
    expect(readRotaryMagnitude(facts(architecture, { rope: { scaling } }).metadata)).toBeCloseTo(
      magnitude,
      4,
    );
  });
});

test.each([
  ["llama", 4096, undefined],
  ["phi3", 2047, undefined],
  ["gemma3", 1024, 1024],
  ["some-new-one", 512, 512],
  ["gemma3", 0, undefined],
])("%s with a sliding window of %d keeps %s", (architecture, sliding, kept) => {
  expect(readSlidingWindow(facts(architecture, window(sliding, 8192)).metadata)).toBe(kept);
});
