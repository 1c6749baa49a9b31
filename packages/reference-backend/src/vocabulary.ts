import { KVPolicyError } from "@kvpolicy/core";

/** What kind of thing a token is: `llama_token_type` of llama.cpp. */
export const TOKEN_TYPES = { normal: 1, unknown: 2, control: 3, userDefined: 4, byte: 6 } as const;

/** The tokens of a model, and which of them are special. */
export interface Vocabulary {
  /** Text of each token as the file has it: encoded in the way of its kind of vocabulary. */
  readonly tokens: readonly string[];
  /** Token by text. */
  readonly ids: ReadonlyMap<string, number>;
  /** Type of each token, one of {@link TOKEN_TYPES} or another number of the file. */
  readonly types: readonly number[];
  /** Beginning-of-sequence token, if the file names one. */
  readonly bos: number | undefined;
  /** End-of-sequence token, if the file names one. */
  readonly eos: number | undefined;
  /** Tokens that say that a generation is over. */
  readonly endOfGeneration: ReadonlySet<number>;
}

/** Texts of tokens that end a generation wherever they occur (`llama_vocab::impl::load`). */
const END_OF_GENERATION: readonly string[] = [
  "<|eot_id|>",
  "<|im_end|>",
  "<|end|>",
  "<|return|>",
  "<|call|>",
  "<|flush|>",
  "<|calls|>",
  "<end_of_turn>",
  "<|endoftext|>",
  "</s>",
  "<|eom_id|>",
  "<EOT>",
  "_<EOT>",
  "[EOT]",
  "[EOS]",
  "<|end_of_text|>",
  "<end_of_utterance>",
  "<eos>",
  "<turn|>",
  "<|tool_response>",
  "<｜end▁of▁sentence｜>",
  "[e~[",
];

/** Texts that are always shown, whatever the file says about them. */
const ALWAYS_SHOWN: readonly string[] = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/** A token for filling in the middle: the keys that name it, the texts that give it away, and whether it ends a generation. */
interface FillInRole {
  readonly keys: readonly string[];
  readonly texts: readonly string[];
  readonly ends: boolean;
}

const FILL_IN_ROLES: readonly FillInRole[] = [
  {
    keys: ["fim_pre_token_id", "prefix_token_id"],
    texts: [
      "<|fim_prefix|>",
      "<fim-prefix>",
      "<fim_prefix>",
      "<｜fim▁begin｜>",
      "<PRE>",
      "▁<PRE>",
      "<|code_prefix|>",
      "<|prefix|>",
    ],
    ends: false,
  },
  {
    keys: ["fim_suf_token_id", "suffix_token_id"],
    texts: [
      "<|fim_suffix|>",
      "<fim-suffix>",
      "<fim_suffix>",
      "<｜fim▁hole｜>",
      "<SUF>",
      "▁<SUF>",
      "<|code_suffix|>",
      "<|suffix|>",
    ],
    ends: false,
  },
  {
    keys: ["fim_mid_token_id", "middle_token_id"],
    texts: [
      "<|fim_middle|>",
      "<fim-middle>",
      "<fim_middle>",
      "<｜fim▁end｜>",
      "<MID>",
      "▁<MID>",
      "<|code_middle|>",
      "<|middle|>",
    ],
    ends: false,
  },
  {
    keys: ["fim_pad_token_id"],
    texts: ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"],
    ends: true,
  },
  {
    keys: ["fim_rep_token_id"],
    texts: ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"],
    ends: true,
  },
  { keys: ["fim_sep_token_id"], texts: ["<|file_sep|>"], ends: true },
];

/**
 * Reads a vocabulary from GGUF metadata, and sets right what llama.cpp sets right: some tokens are told by their text.
 *
 * @throws {KVPolicyError} `config` when the tokens are missing, a text or the types do not fit, or the id of a special token is no whole
 * number.
 */
export function readVocabulary(metadata: Readonly<Record<string, unknown>>): Vocabulary {
  // An empty text would be found everywhere.
  const tokens = readStrings(metadata, "tokenizer.ggml.tokens").map((text, id) =>
    text === "" ? `[EMPTY_${id}]` : text,
  );
  const ids = new Map(tokens.map((text, id) => [text, id]));
  if (ids.size !== tokens.length)
    throw refuseVocabulary(
      `has ${tokens.length} tokens, but only ${ids.size} different ones`,
      "tokenizer.ggml.tokens",
    );
  const types = readTypes(metadata, tokens.length);
  const idOf = (key: string): number | undefined => {
    const id = metadata[`tokenizer.ggml.${key}`];
    if (id === undefined) return undefined;
    if (!Number.isSafeInteger(id))
      throw refuseVocabulary(`names no token with ${key}`, `tokenizer.ggml.${key}`);
    // As in llama.cpp, an id outside the vocabulary is none.
    return tokens[id as number] === undefined ? undefined : (id as number);
  };
  const bos = idOf("bos_token_id");
  const eos = idOf("eos_token_id");
  const ends = new Set([eos, idOf("eot_token_id"), idOf("eom_token_id")].filter((id) => id !== undefined));
  for (const { keys, texts, ends: isEnd } of FILL_IN_ROLES) {
    const named = keys.map(idOf).find((id) => id !== undefined);
    const found = named ?? texts.map((text) => ids.get(text)).find((id) => id !== undefined);
    if (found === undefined) continue;
    if (named === undefined) types[found] = TOKEN_TYPES.control;
    if (isEnd) ends.add(found);
  }
  for (const id of idsOf(ids, END_OF_GENERATION)) {
    types[id] = TOKEN_TYPES.control;
    ends.add(id);
  }
  for (const id of idsOf(ids, ALWAYS_SHOWN)) types[id] = TOKEN_TYPES.userDefined;
  keepGoing(ids, types, ends);
  return { tokens, ids, types, bos, eos, endOfGeneration: ends };
}

/** In the vocabularies of gpt-oss, Solar and Gemma 4, a token that ends elsewhere only ends a part. */
function keepGoing(ids: ReadonlyMap<string, number>, types: number[], ends: Set<number>): void {
  const endsAt = (text: string): boolean => ends.has(ids.get(text) ?? -1);
  const release = (text: string, type: number): void => {
    const id = ids.get(text);
    if (id === undefined || !ends.delete(id)) return;
    types[id] = type;
  };
  const calls = endsAt("<|call|>") || endsAt("<|calls|>");
  if (calls && (endsAt("<|return|>") || endsAt("<|flush|>"))) release("<|end|>", TOKEN_TYPES.userDefined);
  if (endsAt("<|tool_response>")) release("</s>", TOKEN_TYPES.normal);
}

function idsOf(ids: ReadonlyMap<string, number>, texts: readonly string[]): number[] {
  return texts.map((text) => ids.get(text)).filter((id) => id !== undefined);
}

function readTypes(metadata: Readonly<Record<string, unknown>>, count: number): number[] {
  const key = "tokenizer.ggml.token_type";
  if (metadata[key] === undefined) return new Array<number>(count).fill(TOKEN_TYPES.normal);
  return readNumbers(metadata, key, count);
}

/**
 * An array of strings in the metadata.
 *
 * @throws {KVPolicyError} `config` when there is none.
 */
export function readStrings(metadata: Readonly<Record<string, unknown>>, key: string): readonly string[] {
  const values = metadata[key];
  if (Array.isArray(values) && values.every((value) => typeof value === "string")) return values;
  throw refuseVocabulary(`lacks ${key}, or it is no array of strings`, key);
}

/**
 * The first `count` of an array of numbers in the metadata.
 *
 * @throws {KVPolicyError} `config` when there are fewer.
 */
export function readNumbers(
  metadata: Readonly<Record<string, unknown>>,
  key: string,
  count: number,
): number[] {
  const values = metadata[key];
  if (Array.isArray(values) && values.length >= count && values.every((value) => typeof value === "number"))
    return values.slice(0, count);
  const found = Array.isArray(values) ? values.length : 0;
  throw refuseVocabulary(`has ${found} numbers in ${key} for ${count} tokens`, key);
}

/** The vocabulary in the metadata is damaged. */
export function refuseVocabulary(problem: string, key: string): KVPolicyError {
  return new KVPolicyError({
    code: "config",
    message: `The model's vocabulary ${problem}.`,
    details: { option: "model", value: { key } },
  });
}
