import type { GgufMetadata } from "node-llama-cpp";
import { describe, expect, test } from "vitest";

import { checkReindex, type ReindexFacts } from "./reindex-gate.js";

function facts(
  architecture: string,
  settings: object = {},
  others: Partial<ReindexFacts> = {},
): ReindexFacts {
  return {
    metadata: { general: { architecture }, [architecture]: settings } as unknown as GgufMetadata,
    keyType: "F16",
    slidingWindow: undefined,
    isRecurrent: false,
    onCpu: true,
    ...others,
  };
}

const heads64 = { embedding_length: 512, attention: { head_count: 8 } };

describe("models whose keys can be moved", () => {
  test.each([
    ["llama", {}, {}],
    ["gptneox, partial rotary", { rope: { dimension_count: 16 } }, {}],
    ["mpt, ALiBi", {}, {}],
    ["llama with linear scaling", { rope: { scaling: { type: "linear", factor: 4 } } }, {}],
    ["llama with YaRN of factor 1", { rope: { scaling: { type: "yarn", factor: 1 } } }, {}],
    ["deepseek2", { rope: { scaling: { type: "yarn", factor: 40 } } }, {}],
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
    ["starcoder", {}, {}, /learned/],
    ["gpt2", {}, {}, /learned and part of what is cached/],
    ["step35", {}, {}, /ends the process/],
    ["baichuan of 13B", { block_count: 40 }, {}, /ALiBi/],
    ["mamba", {}, { isRecurrent: true }, /recurrent/],
    ["gemma3", {}, { slidingWindow: 1024 }, /sliding window of 1024/],
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
