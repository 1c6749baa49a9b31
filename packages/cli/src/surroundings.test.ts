import { describe, expect, it } from "vitest";

import { describeCommand } from "./surroundings.js";

/** The record of a command line. */
function recorded(words: readonly string[], model?: string): string {
  return describeCommand(["/usr/bin/node", "/opt/kvpolicy/main.js", ...words], model);
}

describe("the record of a command line", () => {
  it("leaves what is said to a model as it is", () => {
    const said = "Answer yes/no. See C:\\here.";
    const quoted = "'Answer yes/no. See C:\\here.'";
    expect(recorded(["chat-eval", "--system", said, "--questions", "/my/q.jsonl"])).toBe(
      `kvpolicy chat-eval --system ${quoted} --questions q.jsonl`,
    );
    expect(recorded(["chat-eval", `--system=${said}`, "--questions=/my/q.jsonl"])).toBe(
      `kvpolicy chat-eval '--system=Answer yes/no. See C:\\here.' --questions=q.jsonl`,
    );
    expect(recorded(["chat-eval", "--system", "/no/", "/my/q.jsonl"])).toBe(
      "kvpolicy chat-eval --system /no/ q.jsonl",
    );
  });

  it("names the model of the environment, without its folder", () => {
    const model = "/my models/a model.gguf";
    expect(recorded(["probe", "--budget", "64"], model)).toBe(
      "kvpolicy probe --budget 64 --model 'a model.gguf'",
    );
    expect(recorded(["probe"], "hf:user/repo/file.gguf")).toBe(
      "kvpolicy probe --model hf:user/repo/file.gguf",
    );
  });

  it("names a model once where the line does, and not at all where it is the default", () => {
    expect(recorded(["probe", "--model", "/my/a.gguf"], "/my/a.gguf")).toBe("kvpolicy probe --model a.gguf");
    expect(recorded(["probe", "--model=/my/a.gguf"], "/my/a.gguf")).toBe("kvpolicy probe --model=a.gguf");
    expect(recorded(["probe"], "tiny:sink")).toBe("kvpolicy probe");
  });

  it("quotes for a shell", () => {
    expect(recorded(["probe", "--text", "/my/it's here.txt", "--out", ""])).toBe(
      "kvpolicy probe --text 'it'\\''s here.txt' --out ''",
    );
  });
});
