/*
 * What llama.cpp's architectures are, by their names in GGUF (`general.architecture`), as far as their metadata does not say.
 * Read in the source of llama.cpp v0.5.0.
 */

/** Positions of several dimensions, whatever else the metadata says. */
export const M_ROPE: ReadonlySet<string> = new Set([
  "qwen2vl",
  "qwen3vl",
  "qwen3vlmoe",
  "qwen35",
  "qwen35moe",
  "qwen4exp",
  "qwen3tts",
  "paddleocr",
]);

/** Recurrent, or in part. */
export const RECURRENT: ReadonlySet<string> = new Set([
  "mamba",
  "mamba2",
  "rwkv6",
  "rwkv6qwen2",
  "rwkv7",
  "arwkv7",
  "jamba",
  "falcon-h1",
  "plamo2",
  "granitehybrid",
  "lfm2",
  "lfm2moe",
  "nemotron_h",
  "nemotron_h_moe",
  "qwen3next",
  "kimi-linear",
  "kimi-k3",
  "bailingmoe3",
  "qwen35",
  "qwen35moe",
  "qwen4exp",
  "deepseek4",
  "minimax-01",
]);

/** No cache of keys and values at all: encoders and models that write by diffusion. */
export const WITHOUT_CACHE: ReadonlySet<string> = new Set([
  "bert",
  "modern-bert",
  "nomic-bert",
  "nomic-bert-moe",
  "neo-bert",
  "jina-bert-v2",
  "jina-bert-v3",
  "eurobert",
  "gemma-embedding",
  "t5encoder",
  "wavtokenizer-dec",
  "dream",
  "llada",
  "llada-moe",
  "rnd1",
]);

/** Keys are neither rotated nor do they hold a position: llama.cpp moves them by changing a number. */
export const ALIBI: ReadonlySet<string> = new Set(["mpt", "bloom", "refact", "jais"]);

/** Learned positions, which are added to the embedding and so are part of every key and value. */
export const LEARNED_POSITIONS: ReadonlySet<string> = new Set(["gpt2", "starcoder"]);

/** Layers without rotary embedding, whose keys a move rotates all the same. */
export const UNROTATED_LAYERS: ReadonlySet<string> = new Set([
  "smollm3",
  "llama4",
  "smallthinker",
  "afmoe",
  "cohere2",
  "cohere2moe",
  "exaone-moe",
  "muse-glimmer",
  "maple",
]);

/** Keys are normalised, with weights, after they are rotated. */
export const NORMALISED_AFTER_ROTATION: ReadonlySet<string> = new Set([
  "hunyuan-moe",
  "hunyuan-dense",
  "hunyuan_vl",
  "maincoder",
]);

/** A second cache, of an indexer's or of compressed keys, beside that of attention. */
export const SECOND_CACHE: ReadonlySet<string> = new Set([
  "deepseek32",
  "deepseek4",
  "glm-dsa",
  "hy_v4",
  "dots3note",
  "minimax-m3",
]);

/** Every layer sees all cells: a sliding window in the metadata is not read, or read and not used (`phi3`). */
export const SLIDING_WINDOW_IGNORED: ReadonlySet<string> = new Set([
  "apertus",
  "arcee",
  "arctic",
  "baichuan",
  "bailingmoe",
  "bailingmoe2",
  "bitnet",
  "bloom",
  "chameleon",
  "chatglm",
  "codeshell",
  "cogvlm",
  "command-r",
  "dbrx",
  "deci",
  "deepseek",
  "deepseek2",
  "dots1",
  "ernie4_5",
  "ernie4_5-moe",
  "exaone",
  "falcon",
  "gemma",
  "glm4",
  "glm4moe",
  "gptneox",
  "granite",
  "granitemoe",
  "grok",
  "grovemoe",
  "hy_v3",
  "internlm2",
  "jais",
  "jais2",
  "llama",
  "minicpm",
  "minicpm3",
  "minimax-m2",
  "mistral3",
  "mistral4",
  "mpt",
  "nanbeige",
  "nemotron",
  "olmo",
  "olmoe",
  "openelm",
  "orion",
  "pangu-embedded",
  "phi2",
  "phi3",
  "phimoe",
  "plamo",
  "plm",
  "qwen",
  "qwen2",
  "qwen2moe",
  "qwen3",
  "qwen3moe",
  "refact",
  "seed_oss",
  "stablelm",
  "starcoder2",
  "xverse",
]);

/** Trained with YaRN: without it they are other models. */
export const TRAINED_WITH_YARN: ReadonlySet<string> = new Set([
  "gpt-oss",
  "deepseek2",
  "deepseek32",
  "mistral3",
  "mistral4",
  "mellum",
  "laguna",
  "olmo2",
]);
