/** How a byte-level vocabulary has its text cut into words, which no token crosses. */
export interface PreTokenizer {
  /** Regular expressions, each applied to what the ones before left over as pieces. What none matches is a piece too. */
  readonly patterns: readonly string[];
  /** Whether a word that is a token becomes that token without looking at the merges. */
  readonly ignoresMerges: boolean;
  /** Whether the vocabulary wants its beginning-of-sequence token in front when the file does not say. */
  readonly addsBos: boolean;
}

const CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d";
const ANY_CASE_CONTRACTIONS = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
const WHITESPACE = String.raw`\s+(?!\S)|\s+`;
const LINES = String.raw`\s*[\r\n]+|${WHITESPACE}`;

const GPT2 = String.raw`${CONTRACTIONS}| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|${WHITESPACE}`;
const wordsThenDigits = (digits: string): string =>
  String.raw`(?:${ANY_CASE_CONTRACTIONS})|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|${LINES}`;
const LLAMA3 = wordsThenDigits(String.raw`\p{N}{1,3}`);
const QWEN2 = wordsThenDigits(String.raw`\p{N}`);
const QWEN35 = String.raw`(?:${ANY_CASE_CONTRACTIONS})|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|${LINES}`;
/** Words that begin with capitals and go on with small letters; a letter outside of ASCII counts as either. */
const caseAware = (ending: string, digits: string): string =>
  String.raw`[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+${ending}` +
  String.raw`|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*${ending}` +
  String.raw`|${digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${LINES}`;
const GPT4O = caseAware(`(?:${ANY_CASE_CONTRACTIONS})?`, String.raw`\p{N}{1,3}`);
const TEKKEN = caseAware("", String.raw`\p{N}`);

const plain = (...patterns: string[]): PreTokenizer => ({ patterns, ignoresMerges: false, addsBos: false });
const whole = (...patterns: string[]): PreTokenizer => ({ patterns, ignoresMerges: true, addsBos: true });

const PATTERNS: readonly (readonly [names: readonly string[], preTokenizer: PreTokenizer])[] = [
  [["default"], plain(String.raw`[\p{P}\$\+<=>\^~\|]+`, GPT2, String.raw`\p{N}+`, "[0-9][0-9][0-9]")],
  [
    [
      "gpt-2",
      "phi-2",
      "jina-es",
      "jina-de",
      "jina-v1-en",
      "jina-v2-es",
      "jina-v2-de",
      "jina-v2-code",
      "roberta-bpe",
      "gigachat",
      "a.x-4.0",
      "mellum",
      "modern-bert",
      "exaone4",
      "mpt",
      "olmo",
      "jais",
      "trillion",
      "granite-docling",
    ],
    plain(GPT2),
  ],
  [
    ["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"],
    plain(String.raw`\p{N}`, GPT2),
  ],
  [["falcon"], plain(String.raw`[\p{P}\$\+<=>\^~\|${"`"}]+`, GPT2, "[0-9][0-9][0-9]")],
  [
    [
      "llama3",
      "llama-v3",
      "llama-bpe",
      "falcon3",
      "falcon-h1",
      "pixtral",
      "midm-2.0",
      "lfm2",
      "jina-v5-nano",
    ],
    whole(LLAMA3),
  ],
  [["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"], plain(LLAMA3)],
  [
    [
      "qwen2",
      "deepseek-r1-qwen",
      "kormo",
      "f2llmv2",
      "megrez",
      "stablelm2",
      "hunyuan",
      "solar-open",
      "grok-2",
    ],
    plain(QWEN2),
  ],
  [["qwen35"], plain(QWEN35)],
  [["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], plain(GPT4O)],
  [["tekken"], whole(TEKKEN)],
];

/** The pre-tokenizers by their name in a GGUF file (`tokenizer.ggml.pre`), as in llama.cpp's `llama-vocab.cpp`. */
export const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map(
  PATTERNS.flatMap(([names, preTokenizer]) => names.map((name) => [name, preTokenizer] as const)),
);
