import type { GgufMetadata } from "node-llama-cpp";

import {
  ALIBI,
  LEARNED_POSITIONS,
  M_ROPE,
  NORMALISED_AFTER_ROTATION,
  RECURRENT,
  SECOND_CACHE,
  SLIDING_WINDOW_IGNORED,
  TRAINED_WITH_YARN,
  UNROTATED_LAYERS,
  WITHOUT_CACHE,
} from "./architectures.js";
import type { CacheType } from "../cache-types.js";
import { readHeadSizes } from "../context-memory.js";
import { MAGNITUDE_SETTINGS, readRotaryMagnitude } from "./rotary-magnitude.js";
import { readSettings } from "../settings.js";

/** What decides whether llama.cpp can move a model's cached keys to other positions. */
export interface ReindexFacts {
  /** GGUF metadata of the model, as node-llama-cpp reads it. */
  readonly metadata: GgufMetadata;
  /** Type of the cached keys. */
  readonly keyType: CacheType;
  /** Whether keys are moved on a CPU. */
  readonly onCpu: boolean;
  /** Most cells in use, where that is known. A sliding window matters unless it is as long as these and as the trained length. */
  readonly cells?: number | undefined;
  /** Whether the engine says that the model, or a part of it, is recurrent. Defaults to what is known of the architecture. */
  readonly isRecurrent?: boolean | undefined;
}

/** A way out. */
export interface Remedy {
  /** What to do, in words, with its limits. */
  readonly text: string;
  /** The option `metadataOverrides` of node-llama-cpp's `loadModel`, where that is the way. */
  readonly metadataOverrides?: Readonly<Record<string, unknown>> | undefined;
  /** Most cells for which it holds. */
  readonly largestBudget?: number | undefined;
  /** The type of the cached keys, where another one is the way. */
  readonly keyType?: CacheType | undefined;
}

/** Why keys cannot be moved. */
export interface Obstacle {
  /** Name of the rule. */
  readonly rule: string;
  /** Why, in words. */
  readonly reason: string;
  /** The keys and values of the metadata that say so. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** What else could be done, if anything. */
  readonly remedy?: Remedy | undefined;
}

/** What is asked of a model, made short. */
interface Subject extends ReindexFacts {
  readonly architecture: string;
  readonly settings: (path: string) => unknown;
}

/** What a rule found: a reason, and the settings that say so. */
interface Finding {
  readonly reason: string;
  readonly settings?: readonly string[];
  readonly remedy?: Remedy | undefined;
}

interface Rule {
  readonly name: string;
  readonly find: (subject: Subject) => Finding | undefined;
}

/** The rule after which nothing works at all. */
export const NO_CACHE = "no-cache";
/** Its reason. Without a cache each decode of llama.cpp sees its own tokens alone. */
export const NO_CACHE_REASON = "it is an encoder or writes by diffusion, and llama.cpp keeps no cache for it";

const OTHER_KEYS: Remedy = { text: "use F16 or F32 keys", keyType: "F16" };

/** Settings that only recurrent models have. */
const RECURRENT_SETTINGS = ["ssm.state_size", "wkv.head_size", "shortconv.l_cache"] as const;

/** Roundings of the factor that are no factor. */
const NEAR_ONE = 1e-6;

/**
 * The first that finds something decides: what would end the process comes before what would go silently wrong. Whatever none of them
 * knows is left to the self-test.
 */
const RULES: readonly Rule[] = [
  {
    name: NO_CACHE,
    find: ({ architecture }) => (WITHOUT_CACHE.has(architecture) ? { reason: NO_CACHE_REASON } : undefined),
  },
  {
    name: "m-rope",
    find: ({ architecture, settings }) =>
      M_ROPE.has(architecture) || hasSections(settings("rope.dimension_sections"))
        ? {
            reason: "its positions have several dimensions (M-RoPE), and llama.cpp would end the process",
            settings: ["rope.dimension_sections"],
          }
        : undefined,
  },
  {
    name: "cannot-shift",
    find: ({ architecture }) =>
      architecture === "step35"
        ? { reason: "llama.cpp cannot move keys of this architecture, and ends the process" }
        : undefined,
  },
  {
    name: "second-cache",
    find: ({ architecture }) =>
      SECOND_CACHE.has(architecture)
        ? {
            reason:
              "beside its keys it caches compressed ones or those of an indexer, and nothing shows that these can be moved",
          }
        : undefined,
  },
  {
    name: "recurrent",
    find: ({ architecture, settings, isRecurrent }) =>
      isRecurrent === true ||
      RECURRENT.has(architecture) ||
      RECURRENT_SETTINGS.some((key) => settings(key) !== undefined)
        ? {
            reason: "it is recurrent, and its state does not forget a range of tokens",
            settings: RECURRENT_SETTINGS,
          }
        : undefined,
  },
  {
    name: "layers-without-rotation",
    find: ({ architecture, settings }) =>
      // Of EXAONE 4 only the 32B has them, and llama.cpp tells it by its layers.
      UNROTATED_LAYERS.has(architecture) || (architecture === "exaone4" && settings("block_count") === 64)
        ? {
            reason:
              "some of its layers have no rotary embedding, and llama.cpp would rotate their keys all the same",
            settings: ["block_count"],
          }
        : undefined,
  },
  { name: "one-kind-of-layers", find: findEmptyCache },
  { name: "sliding-window", find: findSlidingWindow },
  {
    name: "normalised-after-rotation",
    find: ({ architecture }) =>
      NORMALISED_AFTER_ROTATION.has(architecture)
        ? { reason: "it normalises keys after the rotary embedding, which a rotation cannot undo" }
        : undefined,
  },
  {
    name: "learned-positions",
    find: ({ architecture, settings }) =>
      LEARNED_POSITIONS.has(architecture) ||
      (architecture === "mpt" && !isPositive(settings("attention.max_alibi_bias")))
        ? {
            reason: "its positions are learned and part of what is cached, so that they cannot be moved",
            settings: ["attention.max_alibi_bias"],
          }
        : undefined,
  },
  {
    name: "rotation-not-used",
    find: ({ architecture, settings }) =>
      architecture === "baichuan" && settings("block_count") === 40
        ? {
            reason: "it uses ALiBi, and llama.cpp would rotate its keys all the same",
            settings: ["block_count"],
          }
        : undefined,
  },
  { name: "scaled-rotation", find: findScaledRotation },
  {
    name: "bf16-keys",
    find: ({ architecture, keyType, onCpu }) =>
      keyType === "BF16" && onCpu && !ALIBI.has(architecture)
        ? {
            reason: "moving BF16 keys on a CPU would end the process; use F16 or F32 keys",
            remedy: OTHER_KEYS,
          }
        : undefined,
  },
  { name: "quantised-keys", find: findQuantisedKeys },
];

/** Why the keys of this model cannot be moved, or undefined when no rule says so. */
export function findObstacle(facts: ReindexFacts): Obstacle | undefined {
  const settings = readSettings(facts.metadata);
  const architecture: string = facts.metadata.general.architecture;
  const subject = { ...facts, architecture, settings };
  for (const { name, find } of RULES) {
    const finding = find(subject);
    if (!finding) continue;
    const { reason, remedy, settings: paths = [] } = finding;
    return { rule: name, reason, metadata: showMetadata(facts.metadata, paths), ...(remedy && { remedy }) };
  }
  return undefined;
}

/** Cells that a layer with a sliding window keeps; undefined for a model of which all layers see all cells. */
export function readSlidingWindow(metadata: GgufMetadata): number | undefined {
  const window = readSettings(metadata)("attention.sliding_window");
  if (!isPositive(window) || SLIDING_WINDOW_IGNORED.has(metadata.general.architecture)) return undefined;
  return window;
}

/** The architecture and those of the settings that the model has, by their keys in the file. */
export function showMetadata(metadata: GgufMetadata, paths: readonly string[]): Record<string, unknown> {
  const settings = readSettings(metadata);
  const architecture: string = metadata.general.architecture;
  const found = paths.map((path) => [`${architecture}.${path}`, plain(settings(path))] as const);
  return {
    "general.architecture": architecture,
    ...Object.fromEntries(found.filter(([, value]) => value !== undefined)),
  };
}

/** llama.cpp keeps one cache for layers with a window and one for those without; to move the keys of an empty one ends the process. */
function findEmptyCache({ metadata, settings }: Subject): Finding | undefined {
  const pattern = settings("attention.sliding_window_pattern");
  if (readSlidingWindow(metadata) === undefined || !Array.isArray(pattern)) return undefined;
  const kinds = new Set(pattern.map(Boolean));
  if (kinds.size > 1) return undefined;
  return {
    reason: `${kinds.has(true) ? "all" : "none"} of its layers have a sliding window, and llama.cpp would end the process`,
    settings: ["attention.sliding_window", "attention.sliding_window_pattern"],
  };
}

function findSlidingWindow({ metadata, settings, cells }: Subject): Finding | undefined {
  const window = readSlidingWindow(metadata);
  const trainedLength = settings("context_length");
  const longest = Math.max(isPositive(trainedLength) ? trainedLength : Infinity, cells ?? 0);
  if (window === undefined || window >= longest) return undefined;
  return {
    reason: `layers with a sliding window of ${window} tokens drop cells by themselves`,
    settings: ["attention.sliding_window", "context_length"],
  };
}

function findScaledRotation({ metadata, architecture, settings }: Subject): Finding | undefined {
  const magnitude = readRotaryMagnitude(metadata);
  if (ALIBI.has(architecture) || Math.abs(magnitude - 1) < NEAR_ONE) return undefined;
  const attentionFactor = settings("rope.scaling.attn_factor");
  const hasAttentionFactor = typeof attentionFactor === "number" && attentionFactor !== 1;
  const cause = hasAttentionFactor
    ? `an attention factor of ${attentionFactor}`
    : `YaRN with a factor of ${String(settings("rope.scaling.factor"))}`;
  return {
    reason: `${cause} would scale every cached key by ${Number(magnitude.toPrecision(4))} again at each move`,
    settings: [...MAGNITUDE_SETTINGS, "rope.scaling.original_context_length", "rope.scaling.finetuned"],
    ...(!hasAttentionFactor && { remedy: withoutYarn(architecture, settings) }),
  };
}

/** YaRN can be left away where it was put on afterwards, as long as positions stay where the model was trained without it. */
function withoutYarn(architecture: string, settings: Subject["settings"]): Remedy | undefined {
  const originalLength = settings("rope.scaling.original_context_length");
  if (TRAINED_WITH_YARN.has(architecture) || settings("rope.scaling.finetuned") === true) return undefined;
  if (!isPositive(originalLength)) return undefined;
  const metadataOverrides = { [architecture]: { rope: { scaling: { type: "none" } } } };
  return {
    text:
      `load the model with metadataOverrides ${JSON.stringify(metadataOverrides)}, which is sound while the budget is within the ` +
      `${originalLength} positions of the model without YaRN, and only if it was not trained further with it`,
    metadataOverrides,
    largestBudget: originalLength,
  };
}

/** llama.cpp turns quantised keys by a Hadamard matrix of 64 rows or more, and to move them back and forth. */
function findQuantisedKeys({ metadata, architecture, keyType, settings }: Subject): Finding | undefined {
  if (!keyType.startsWith("Q") || ALIBI.has(architecture)) return undefined;
  const found = ["embedding_length", "attention.head_count", "attention.key_length", "rope.dimension_count"];
  const headSize = readHeadSizes(metadata).key ?? NaN;
  const rotated = Number(settings("rope.dimension_count") ?? headSize);
  if (!(headSize % 64 === 0 && rotated === headSize)) {
    return {
      reason: `moving ${keyType} keys with heads of ${headSize}, ${rotated} of them rotated, would end the process; use F16 or F32 keys`,
      settings: found,
      remedy: OTHER_KEYS,
    };
  }
  // As llama.cpp reads it: what is no number is 0.
  if (Number.parseInt(process.env["LLAMA_ATTN_ROT_DISABLE"] ?? "", 10) > 0) {
    return {
      reason: `moving ${keyType} keys would end the process while the environment has LLAMA_ATTN_ROT_DISABLE`,
      settings: found,
      remedy: { text: "unset LLAMA_ATTN_ROT_DISABLE, or use F16 or F32 keys", keyType: "F16" },
    };
  }
  return undefined;
}

/** Models that share an architecture with one of M-RoPE may have sections of 0. */
function hasSections(sections: unknown): boolean {
  return Array.isArray(sections) && sections.some((section) => Number(section) > 0);
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && value > 0;
}

/** JSON has no bigint. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  return Array.isArray(value) ? value.map(plain) : value;
}
