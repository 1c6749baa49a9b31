import { describe, expect, it } from "vitest";

import { encodeApart } from "./encode-apart.js";

const characters = (text: string): Uint32Array =>
  Uint32Array.from(text, (character) => character.codePointAt(0) ?? 0);
const textOf = (tokens: Uint32Array): string => String.fromCodePoint(...tokens);

describe("encodeApart", () => {
  it("takes off the space that some tokenizers put in front", () => {
    const encode = (text: string): Uint32Array => characters(` ${text}`);
    expect(textOf(encodeApart(encode, "123"))).toBe("123");
    expect(textOf(encodeApart(encode, " <"))).toBe(" <");
  });

  it("encodes alone what melts with a line break", () => {
    const melted = 1000;
    const encode = (text: string): Uint32Array =>
      text.startsWith("\n>") ? Uint32Array.of(melted, ...characters(text.slice(2))) : characters(text);
    expect(textOf(encodeApart(encode, ">\n"))).toBe(">\n");
    expect(textOf(encodeApart(encode, "12"))).toBe("12");
  });
});
