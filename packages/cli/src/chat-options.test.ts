import { describe, expect, it } from "vitest";

import { CHAT_DEFAULTS, parseChatOptions } from "./chat-options.js";
import { withoutModel } from "./policy-kinds.js";

const RAW = { policy: CHAT_DEFAULTS.policy, temperature: "0", gpu: "auto", model: "a.gguf" };

describe("parseChatOptions", () => {
  it("evicts whole exchanges and never the system prompt unless told otherwise", async () => {
    const { policy, temperature, budget, keys } = await parseChatOptions(RAW, {});
    expect(policy.create(withoutModel(256)).describe()).toMatchObject({
      name: "pinned",
      inner: { name: "turn-aligned", inner: { name: "sink-window", options: { stride: null } } },
    });
    expect({ temperature, budget, keys }).toEqual({ temperature: 0, budget: undefined, keys: undefined });
  });

  it("takes the model from the environment", async () => {
    const raw = { ...RAW, model: undefined };
    expect((await parseChatOptions(raw, { KVPOLICY_MODEL: "b.gguf" })).model).toBe("b.gguf");
    await expect(parseChatOptions(raw, { KVPOLICY_MODEL: "" })).rejects.toThrow(/--model is missing/);
  });

  it.each([
    [{ budget: "0" }, '--budget must be a whole number of at least 1, not "0".'],
    [{ maxTokens: "x" }, '--max-tokens must be a whole number of at least 1, not "x".'],
    [{ temperature: "-1" }, '--temperature must be a number of at least 0, not "-1".'],
    [{ keys: "Q8_0" }, '--keys must be F16 or F32, not "Q8_0".'],
    [{ gpu: "opencl" }, '--gpu must be one of auto, cuda, metal, vulkan, false, not "opencl".'],
    [{ save: "" }, '--save must name a file, not "".'],
    [{ policy: "random-anchor" }, "--policy random-anchor takes its budget from the command: name --budget."],
    [
      { policy: "pinned" },
      '--policy pinned cannot be read: "pinned" wraps another policy, which it has in brackets: pinned(sink-window).',
    ],
  ])("refuses %o", async (options, message) => {
    await expect(parseChatOptions({ ...RAW, ...options }, {})).rejects.toMatchObject({
      code: "config",
      message,
    });
  });
});
