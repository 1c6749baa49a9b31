import { tinyModels } from "@kvpolicy/tiny-models";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";

import { openGguf } from "./gguf-file.js";
import { createTokenizer, type Tokenizer } from "./tokenizer.js";

type Metadata = Readonly<Record<string, unknown>>;

/** SentencePiece with a few tokens: raw bytes, and pieces that merge by their scores. */
const sentencePiece: Metadata = {
  "tokenizer.ggml.model": "llama",
  "tokenizer.ggml.tokens": [
    ...["<unk>", "<s>", "</s>", "<tool>", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "<0xFF>"],
    ...["▁", "a", "b", "c", "ab", "bc", "▁a", "<|im_end|>", "<unused>"],
  ],
  "tokenizer.ggml.scores": [0, 0, 0, 0, 0, 0, 0, 0, 0, -9, -8, -7, -6, -2, -1, -3, 0, 0],
  "tokenizer.ggml.token_type": [2, 3, 3, 4, 6, 6, 6, 6, 6, 1, 1, 1, 1, 1, 1, 1, 1, 5],
  "tokenizer.ggml.bos_token_id": 1,
  "tokenizer.ggml.eos_token_id": 2,
};

const tokens = sentencePiece["tokenizer.ggml.tokens"] as string[];
const texts = (sequence: ArrayLike<number>): (string | undefined)[] =>
  Array.from(sequence, (token) => tokens[token]);
const id = (text: string): number => tokens.indexOf(text);

describe("SentencePiece", () => {
  test.each([
    ["joins the pair of the highest score first", "abc", ["▁a", "bc"]],
    ["writes spaces as ▁", "b a", ["▁", "b", "▁a"]],
    ["writes an unknown character as bytes", "\u{1F600}", ["▁", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>"]],
    ["writes what has no bytes either as the unknown token", "é", ["▁", "<unk>"]],
    ["finds user-defined tokens, and puts a space after them", "a<tool>a", ["▁a", "<tool>", "▁a"]],
    ["is empty for nothing", "", []],
  ])("%s", (_, text, expected) => {
    expect(texts(createTokenizer(sentencePiece).encode(text))).toEqual(expected);
  });

  test("puts no space in front when the file says so", () => {
    const tokenizer = createTokenizer({ ...sentencePiece, "tokenizer.ggml.add_space_prefix": false });
    expect(texts(tokenizer.encode("a a"))).toEqual(["a", "▁a"]);
    expect(tokenizer.decode([id("▁a")])).toBe(" a");
  });

  test("finds control tokens on request", () => {
    const text = "a</s>b";
    expect(texts(createTokenizer(sentencePiece).encode(text))).not.toContain("</s>");
    const tokenizer = createTokenizer(sentencePiece, { specialTokens: true });
    expect(texts(tokenizer.encode(text))).toEqual(["▁a", "</s>", "▁", "b"]);
  });

  test("takes the first space away, and shows neither control nor unused tokens", () => {
    const tokenizer = createTokenizer(sentencePiece);
    const sequence = ["▁a", "</s>", "<tool>", "<unused>", "▁a", "<|im_end|>"].map(id);
    expect(tokenizer.decode(sequence)).toBe("a<tool> a");
    expect(tokenizer.decode(["<s>", "▁a"].map(id))).toBe(" a");
  });

  test("names its special tokens", () => {
    const tokenizer = createTokenizer(sentencePiece);
    expect(tokenizer).toMatchObject({ vocabularySize: tokens.length, bos: 1, eos: 2, addsBos: true });
    const ends = tokens.filter((_, token) => tokenizer.isEndOfGeneration(token));
    expect(ends).toEqual(["</s>", "<|im_end|>"]);
    const without = { ...sentencePiece, "tokenizer.ggml.bos_token_id": undefined };
    expect(createTokenizer(without)).toMatchObject({ bos: undefined, addsBos: false });
    expect(createTokenizer({ ...sentencePiece, "tokenizer.ggml.add_bos_token": false }).addsBos).toBe(false);
  });
});

describe("decoder", () => {
  const [a, b, c, d, broken] = ["<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "<0xFF>"].map(id) as [
    number,
    number,
    number,
    number,
    number,
  ];

  test.each([
    ["a character in four tokens", [a, b, c, d, id("a")], ["", "", "", "\u{1F600}", "a"], ""],
    ["a character that never ends", [a, b, c, id("a")], ["", "", "", "\uFFFDa"], ""],
    ["bytes that begin no character", [broken, broken, id("a")], ["\uFFFD", "\uFFFD", "a"], ""],
    ["an end inside a character", [id("a"), a, b], ["a", "", ""], "\uFFFD"],
  ])("%s", (_, sequence, pieces, rest) => {
    const decoder = createTokenizer(sentencePiece).createDecoder();
    expect(sequence.map((token) => decoder.push(token))).toEqual(pieces);
    expect(decoder.flush()).toBe(rest);
    expect(decoder.flush()).toBe("");
  });

  test("gives in pieces what decode gives at once", () => {
    const tokenizer = createTokenizer(sentencePiece);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: tokens.length - 1 })), (sequence) => {
        const decoder = tokenizer.createDecoder();
        const text = sequence.map((token) => decoder.push(token)).join("") + decoder.flush();
        expect(text).toBe(tokenizer.decode(sequence));
      }),
    );
  });

  test("refuses a token that is not in the vocabulary", () => {
    expect(() => createTokenizer(sentencePiece).decode([tokens.length])).toThrow(
      expect.objectContaining({
        code: "range",
        details: { what: "token", value: 18, minimum: 0, maximum: 17 },
      }) as Error,
    );
  });
});

describe("byte-level BPE", () => {
  let metadata: Metadata;
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    const file = await openGguf(tinyModels.sink.url);
    await file.close();
    metadata = file.metadata;
    tokenizer = createTokenizer(metadata);
  });

  test("gives every text back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text.replace(/\p{Surrogate}/gu, "\uFFFD"));
      }),
    );
  });

  test("merges", () => {
    const encoded = Array.from(tokenizer.encode("the the"), (token) => tokenizer.decode([token]));
    expect(encoded.at(-1)).toBe(" the");
  });

  test("prefers the longer of two special tokens, wherever it stands", () => {
    const vocabulary = metadata["tokenizer.ggml.tokens"] as string[];
    const types = metadata["tokenizer.ggml.token_type"] as number[];
    const extended = createTokenizer({
      ...metadata,
      "tokenizer.ggml.tokens": [...vocabulary, "<a", "a<long>"],
      "tokenizer.ggml.token_type": [...types, 4, 4],
    });
    expect(Array.from(extended.encode("<a<long>"))).toEqual([
      ...Array.from(tokenizer.encode("<")),
      vocabulary.length + 1,
    ]);
  });

  test.each<[string, Metadata, object]>([
    [
      "another kind",
      { "tokenizer.ggml.model": "bert" },
      { feature: "tokenizer bert", reason: "these are known: gpt2, llama" },
    ],
    ["no kind", { "tokenizer.ggml.model": undefined }, { feature: "tokenizer without a name" }],
    ["another pre-tokenizer", { "tokenizer.ggml.pre": "kimi-k2" }, { feature: "pre-tokenizer kimi-k2" }],
  ])("refuses %s", (_, change, details) => {
    expect(() => createTokenizer({ ...metadata, ...change })).toThrow(
      expect.objectContaining({
        code: "unsupported",
        details: expect.objectContaining(details) as object,
      }) as Error,
    );
  });

  test.each([-1, 1024, 2 ** 32 - 1])("knows no special token %d", (id) => {
    const without = createTokenizer({ ...metadata, "tokenizer.ggml.bos_token_id": id });
    expect([without.bos, without.addsBos, without.eos]).toEqual([undefined, false, tokenizer.eos]);
  });

  test.each<[string, Metadata, string]>([
    ["missing tokens", { "tokenizer.ggml.tokens": undefined }, "tokenizer.ggml.tokens"],
    ["equal tokens", { "tokenizer.ggml.tokens": ["a", "a"] }, "tokenizer.ggml.tokens"],
    ["too few types", { "tokenizer.ggml.token_type": [1, 1] }, "tokenizer.ggml.token_type"],
    ["missing merges", { "tokenizer.ggml.merges": 3 }, "tokenizer.ggml.merges"],
    ["a merge of one part", { "tokenizer.ggml.merges": ["a b", " c"] }, "tokenizer.ggml.merges"],
    ["a special token between two", { "tokenizer.ggml.bos_token_id": 1.5 }, "tokenizer.ggml.bos_token_id"],
    ["a special token by its text", { "tokenizer.ggml.eos_token_id": "a" }, "tokenizer.ggml.eos_token_id"],
    ["missing scores", { "tokenizer.ggml.model": "llama" }, "tokenizer.ggml.scores"],
  ])("refuses %s", (_, change, key) => {
    expect(() => createTokenizer({ ...metadata, ...change })).toThrow(
      expect.objectContaining({ code: "config", details: { option: "model", value: { key } } }) as Error,
    );
  });
});
