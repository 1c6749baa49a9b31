import { KVPolicyError, type TokenCodec, type TokenDecoder } from "@kvpolicy/core";

import { createTextEncoding } from "./text-encodings.js";
import { readVocabulary, TOKEN_TYPES, type Vocabulary } from "./vocabulary.js";

/** A model's own tokenizer. */
export interface Tokenizer extends TokenCodec {
  /** Number of tokens. */
  readonly vocabularySize: number;
  /** Beginning-of-sequence token, if the model names one. */
  readonly bos: number | undefined;
  /** End-of-sequence token, if the model names one. */
  readonly eos: number | undefined;
  /** Whether the model was trained with `bos` in front of every text. */
  readonly addsBos: boolean;
  /**
   * The text of tokens. Special tokens have none, and bytes that are no character become U+FFFD. It is what the tokens say,
   * without llama.cpp's removal of spaces before punctuation, so that `decode(encode(text))` is the text again.
   */
  decode(tokens: ArrayLike<number>): string;
}

/** Options of {@link createTokenizer}. */
export interface TokenizerOptions {
  /** Whether the text of a special token, `<|im_start|>` say, becomes that token. Defaults to false: it is read as plain text. */
  readonly specialTokens?: boolean | undefined;
}

/**
 * Makes the tokenizer that GGUF metadata describes: byte-level BPE (`gpt2`) or SentencePiece (`llama`). It gives the tokens
 * that llama.cpp gives, with two exceptions. Where the file names no beginning-of-sequence or end-of-sequence token there is none,
 * and llama.cpp falls back on ids of its own. Where two joins of SentencePiece have the same score, the one that makes the first
 * token of the vocabulary comes first, and in llama.cpp the leftmost.
 *
 * @throws {KVPolicyError} `unsupported` for another kind of tokenizer or an unknown pre-tokenizer, `config` when the
 * vocabulary is missing or damaged.
 */
export function createTokenizer(
  metadata: Readonly<Record<string, unknown>>,
  { specialTokens = false }: TokenizerOptions = {},
): Tokenizer {
  const vocabulary = readVocabulary(metadata);
  const encoding = createTextEncoding(metadata, vocabulary);
  const { tokens, types, bos, eos, endOfGeneration } = vocabulary;
  const found = findTokensInText(vocabulary, specialTokens);
  const bytesOf = (token: number): Uint8Array => {
    const type = types[token];
    if (type === undefined) throw refuseToken(token, tokens.length);
    if (type === TOKEN_TYPES.normal || type === TOKEN_TYPES.byte) return encoding.bytesOf(token);
    return new TextEncoder().encode(type === TOKEN_TYPES.userDefined ? tokens[token] : "");
  };
  const createDecoder = (): TokenDecoder => createByteDecoder(bytesOf, encoding.addsSpace);
  const wantsBos = metadata["tokenizer.ggml.add_bos_token"] ?? encoding.addsBos;
  return {
    vocabularySize: tokens.length,
    bos,
    eos,
    addsBos: bos !== undefined && wantsBos === true,
    encode: (text) =>
      split(text.replaceAll(LONE_SURROGATE, "\uFFFD"), found).flatMap((part, index, parts) =>
        typeof part === "number" ? part : encoding.encode(part, typeof parts[index - 1] !== "string"),
      ),
    isEndOfGeneration: (token) => endOfGeneration.has(token),
    createDecoder,
    decode: (sequence) => {
      const decoder = createDecoder();
      return Array.from(sequence, (token) => decoder.push(token)).join("") + decoder.flush();
    },
  };
}

/** Half a character, which UTF-8 cannot write. */
const LONE_SURROGATE = /\p{Surrogate}/gu;

/** A token that is looked for in a text before anything else is done with it. */
interface TokenInText {
  readonly id: number;
  readonly text: string;
}

/**
 * User-defined tokens always, control tokens and the unknown token on request; the longest first, in bytes. llama.cpp looks for
 * one after the other through the whole text, so a long token later in a text wins over a short one that overlaps it.
 */
function findTokensInText({ tokens, types }: Vocabulary, specialTokens: boolean): TokenInText[] {
  const isFound = (type: number | undefined): boolean =>
    type === TOKEN_TYPES.userDefined ||
    (specialTokens && (type === TOKEN_TYPES.control || type === TOKEN_TYPES.unknown));
  return tokens
    .map((text, id) => ({ id, text, type: types[id] }))
    .filter(({ type }) => isFound(type))
    .map(({ id, text }) => ({ id, text, bytes: new TextEncoder().encode(text).length }))
    .sort((left, right) => right.bytes - left.bytes);
}

/** A text as the tokens found in it and the texts between them, none of which is empty. */
function split(text: string, wanted: readonly TokenInText[]): (string | number)[] {
  let parts: (string | number)[] = [text];
  for (const token of wanted)
    if (text.includes(token.text))
      parts = parts.flatMap((part) => (typeof part === "string" ? splitAt(part, token) : part));
  return parts.filter((part) => part !== "");
}

function splitAt(text: string, token: TokenInText): (string | number)[] {
  return text.split(token.text).flatMap((part, index) => (index === 0 ? part : [token.id, part]));
}

const SPACE = 0x20;

function createByteDecoder(bytesOf: (token: number) => Uint8Array, addsSpace: boolean): TokenDecoder {
  const text = new TextDecoder("utf-8", { ignoreBOM: true });
  let isFirst = true;
  return {
    push: (token) => {
      const bytes = bytesOf(token);
      const skipped = isFirst && addsSpace && bytes[0] === SPACE ? 1 : 0;
      isFirst = false;
      return text.decode(bytes.subarray(skipped), { stream: true });
    },
    flush: () => text.decode(),
  };
}

function refuseToken(token: number, vocabularySize: number): KVPolicyError {
  return new KVPolicyError({
    code: "range",
    message: `The token ${token} is not in the vocabulary of ${vocabularySize} tokens.`,
    details: { what: "token", value: token, minimum: 0, maximum: vocabularySize - 1 },
  });
}
