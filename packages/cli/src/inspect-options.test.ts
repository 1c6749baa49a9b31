import { describe, expect, it } from "vitest";

import { INSPECT_DEFAULTS, parseInspectOptions } from "./inspect-options.js";

const RAW = { model: "model.gguf", ...INSPECT_DEFAULTS, probe: true };

describe("parseInspectOptions", () => {
  it("tries the model with F16 keys unless told otherwise", () => {
    expect(parseInspectOptions(RAW)).toEqual({
      model: "model.gguf",
      keys: "F16",
      flashAttention: false,
      gpu: "auto",
      probe: true,
      json: false,
    });
  });

  it("takes every type of keys and what computes", () => {
    const options = { ...RAW, keys: "Q8_0", gpu: "false", flashAttention: true, probe: false, json: true };
    expect(parseInspectOptions(options)).toEqual({ ...options, gpu: false });
  });

  it.each([
    [{ model: "" }, "--model must be a path, hf:USER/REPO/FILE or tiny:NAME"],
    [{ keys: "Q5" }, '--keys must be one of F32, F16, BF16, Q8_0, Q4_0, not "Q5".'],
    [{ gpu: "amd" }, "--gpu must be one of auto"],
  ])("refuses %j", (raw, message) => {
    expect(() => parseInspectOptions({ ...RAW, ...raw })).toThrow(message);
  });
});
