import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { loadText, unwrap } from "./load-text.js";
import { tokenize } from "./tokenize.js";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "kvpolicy-text-"));
});
afterAll(() => rm(directory, { recursive: true }));

describe("loadText", () => {
  it("has Moby Dick at hand, from its first sentence, without hard line breaks", async () => {
    const { name, text, sha256 } = await loadText(undefined);
    expect(name).toBe("Moby Dick");
    expect(text).toMatch(/^CHAPTER 1\. Loomings\.\n\nCall me Ishmael\./);
    expect(text).toMatch(/orphan\.$/);
    expect(text).not.toMatch(/[^\n]\n[^\n]/);
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it("reads a file and names it without its path", async () => {
    const path = join(directory, "a.txt");
    await writeFile(path, "line one\nline two\n");
    expect(await loadText(path)).toMatchObject({ name: "a.txt", text: "line one\nline two\n" });
  });

  it("refuses a file that is missing, empty or no text", async () => {
    await writeFile(join(directory, "empty.txt"), " \n\n");
    await writeFile(join(directory, "binary.txt"), Uint8Array.of(0xff, 0xfe, 0x80));
    await expect(loadText(join(directory, "none.txt"))).rejects.toThrow(
      "none.txt cannot be read: there is no such file",
    );
    await expect(loadText(directory)).rejects.toThrow("it is a directory");
    await expect(loadText(join(directory, "empty.txt"))).rejects.toMatchObject({ code: "empty" });
    await expect(loadText(join(directory, "binary.txt"))).rejects.toThrow("is not UTF-8");
  });
});

describe("unwrap", () => {
  it("joins lines and keeps paragraphs", () => {
    expect(unwrap("one\ntwo\r\nthree\n\n\n  four \n five")).toBe("one two three\n\nfour five");
  });
});

describe("tokenize", () => {
  const codec = {
    encode: (text: string) => Array.from(text, (character) => character.charCodeAt(0)),
    isEndOfGeneration: () => false,
    createDecoder: () => ({ push: () => "", flush: () => "" }),
  };

  it("takes the first tokens, and no more text than that needs", () => {
    const seen: number[] = [];
    const watched = { ...codec, encode: (text: string) => (seen.push(text.length), codec.encode(text)) };
    expect(Array.from(tokenize(watched, "x".repeat(10_000), 5))).toHaveLength(5);
    expect(Math.max(...seen)).toBeLessThan(1000);
    expect(tokenize(codec, "abc", undefined)).toHaveLength(3);
    expect(tokenize(codec, "abc", 10)).toHaveLength(3);
  });
});
