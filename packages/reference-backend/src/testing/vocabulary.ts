import { float32Array, type GgufValue, int32Array, stringArray, uint32 } from "./gguf-values.js";

/** The two kinds of vocabularies, which llama.cpp calls `llama` and `gpt2`. */
export type TokenizerKind = (typeof TOKENIZER_KINDS)[number];

/** Both. */
export const TOKENIZER_KINDS = ["sentence-piece", "byte-level"] as const;

/** What a vocabulary is made of. */
export interface VocabularyOptions {
  /** Its kind. */
  readonly tokenizer: TokenizerKind;
  /** Number of tokens. */
  readonly vocabularySize: number;
  /** Whether it has a beginning-of-sequence token, which is put in front of a text. */
  readonly bos: boolean;
}

/** The token types of llama.cpp (`llama_token_type`). */
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const BYTE = 6;

const BYTES = Array.from({ length: 256 }, (_, byte) => byte);
/** The letters by how often English has them, so that the first pieces are of use. */
const LETTERS = "etaoinshrdlcumwfgypbvkjxqz";

/**
 * Fewest tokens that such a vocabulary can have: one for each byte, the special ones, and for `sentence-piece` the space,
 * which llama.cpp would not turn back into a space from its bytes.
 */
export function smallestVocabulary(tokenizer: TokenizerKind, bos: boolean): number {
  const others = tokenizer === "sentence-piece" ? ["<unk>", "</s>", "▁"] : ["<|end_of_text|>"];
  return BYTES.length + others.length + (bos ? 1 : 0);
}

/**
 * The metadata `tokenizer.ggml.*` of a vocabulary. Its pieces are all words over the space and the lower-case letters,
 * shortest first, as many as there is room for.
 *
 * - `sentence-piece`: `<unk>`, `<s>` (with `bos`), `</s>`, the bytes `<0x00>` to `<0xFF>`, then the pieces.
 * - `byte-level`: the characters that GPT-2 has for the bytes, `<|begin_of_text|>` (with `bos`), `<|end_of_text|>`, then
 *   the pieces of two letters and more, each with the merge that makes it.
 *
 * Without `bos` the metadata names no such token, and llama.cpp falls back on one of its own (token 1 or 11), which it
 * does not put in front of a text either.
 */
export function vocabularyMetadata(options: VocabularyOptions): Record<string, GgufValue> {
  return options.tokenizer === "sentence-piece" ? sentencePieces(options) : byteLevel(options);
}

function sentencePieces({ vocabularySize, bos }: VocabularyOptions): Record<string, GgufValue> {
  const start = bos ? ["<s>"] : [];
  const special = ["<unk>", ...start, "</s>"];
  const bytes = BYTES.map((byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const pieces = words("▁", 1, vocabularySize - special.length - bytes.length);
  const types = [
    ...special.map((token) => (token === "<unk>" ? UNKNOWN : CONTROL)),
    ...bytes.map(() => BYTE),
    ...pieces.map(() => NORMAL),
  ];
  const scores = [...special.map(() => 0), ...bytes.map(() => 0), ...pieces.map((_, index) => -index)];
  return {
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": stringArray([...special, ...bytes, ...pieces]),
    "tokenizer.ggml.scores": float32Array(scores),
    "tokenizer.ggml.token_type": int32Array(types),
    "tokenizer.ggml.unknown_token_id": uint32(0),
    ...(bos && { "tokenizer.ggml.bos_token_id": uint32(special.indexOf("<s>")) }),
    "tokenizer.ggml.eos_token_id": uint32(special.indexOf("</s>")),
    "tokenizer.ggml.add_bos_token": bos,
    "tokenizer.ggml.add_eos_token": false,
    "tokenizer.ggml.add_space_prefix": true,
  };
}

function byteLevel({ vocabularySize, bos }: VocabularyOptions): Record<string, GgufValue> {
  const bytes = byteCharacters();
  const start = bos ? ["<|begin_of_text|>"] : [];
  const special = [...start, "<|end_of_text|>"];
  const pieces = words("Ġ", 2, vocabularySize - bytes.length - special.length);
  const types = [...bytes.map(() => NORMAL), ...special.map(() => CONTROL), ...pieces.map(() => NORMAL)];
  return {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": stringArray([...bytes, ...special, ...pieces]),
    "tokenizer.ggml.token_type": int32Array(types),
    "tokenizer.ggml.merges": stringArray(pieces.map((piece) => `${piece.slice(0, -1)} ${piece.slice(-1)}`)),
    ...(bos && { "tokenizer.ggml.bos_token_id": uint32(bytes.length) }),
    "tokenizer.ggml.eos_token_id": uint32(bytes.length + special.length - 1),
    "tokenizer.ggml.add_bos_token": bos,
    "tokenizer.ggml.add_eos_token": false,
  };
}

/** The first words over a space and the letters: the shortest first, from a length on. */
function words(space: string, shortest: number, count: number): string[] {
  const alphabet = Array.from(space + LETTERS);
  const found: string[] = [];
  let level = [""];
  for (let length = 1; found.length < count; length++) {
    const missing = count - found.length;
    // A level that nothing is taken from still has to be whole: the next one is built on it.
    const wanted = length < shortest ? Infinity : missing;
    const next: string[] = [];
    for (const word of level) {
      if (next.length >= wanted) break;
      for (const letter of alphabet) next.push(word + letter);
    }
    level = next;
    if (length >= shortest) found.push(...level.slice(0, missing));
  }
  return found;
}

/**
 * The character that GPT-2's vocabulary has for each byte, in its order: the printable ones stand for themselves and
 * come first, the others are moved to U+0100 and up (`bytes_to_unicode` of openai/gpt-2's encoder.py).
 */
function byteCharacters(): string[] {
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
  const printable = BYTES.filter(isPrintable);
  const others = BYTES.filter((byte) => !isPrintable(byte));
  return [...printable, ...others.map((_, index) => 0x100 + index)].map((code) => String.fromCharCode(code));
}
