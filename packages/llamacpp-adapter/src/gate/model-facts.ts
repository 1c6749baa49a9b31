import type { GgufMetadata } from "node-llama-cpp";

import { ALIBI, LEARNED_POSITIONS, RECURRENT } from "./architectures.js";
import { readHeadSizes } from "../context-memory.js";
import { readSlidingWindow } from "./reindex-rules.js";
import { readSettings } from "../settings.js";

/** What a model's metadata say of it, as plain data. `null` where they do not say. */
export interface ModelFacts {
  /** `general.architecture`. */
  readonly architecture: string;
  /** `general.name`. */
  readonly name: string | null;
  /** Number of layers. */
  readonly layers: number | null;
  /** Positions that the model was trained on. */
  readonly trainedLength: number | null;
  /** Number of tokens in the vocabulary. */
  readonly vocabularySize: number | null;
  /** Numbers in the key and in the value of one head. */
  readonly headSize: { readonly key: number | null; readonly value: number | null };
  /** Where positions come from, as far as is known of the architecture. */
  readonly positions: "rotary" | "alibi" | "learned" | "recurrent";
  /** Numbers of a key that are rotated. */
  readonly rotatedDimensions: number | null;
  /** How rotary positions are scaled: `none`, `linear`, `yarn` or `longrope`, and its factor. */
  readonly ropeScaling: { readonly type: string; readonly factor: number | null };
  /** Tokens that a layer with a sliding window of its own sees; null when every layer sees all, whatever the metadata say. */
  readonly slidingWindow: number | null;
  /** The beginning-of-sequence token, if there is one. */
  readonly bos: number | null;
  /** Whether it is put in front of a text; null where the metadata leave it to the kind of vocabulary. */
  readonly prependsBos: boolean | null;
}

interface Vocabulary {
  readonly tokens?: readonly unknown[];
  readonly bos_token_id?: unknown;
  readonly add_bos_token?: unknown;
}

/** The facts that the metadata hold. */
export function readModelFacts(metadata: GgufMetadata): ModelFacts {
  const settings = readSettings(metadata);
  const architecture: string = metadata.general.architecture;
  const { key, value } = readHeadSizes(metadata);
  const { tokenizer } = metadata as { readonly tokenizer?: { readonly ggml?: Vocabulary } };
  const ggml = tokenizer?.ggml;
  const addsBos = ggml?.add_bos_token;
  return {
    architecture,
    name: typeof metadata.general.name === "string" ? metadata.general.name : null,
    layers: count(settings("block_count")),
    trainedLength: count(settings("context_length")),
    vocabularySize: ggml?.tokens?.length ?? null,
    headSize: { key: key ?? null, value: value ?? null },
    positions: findPositions(architecture),
    rotatedDimensions: count(settings("rope.dimension_count")),
    ropeScaling: {
      type:
        typeof settings("rope.scaling.type") === "string" ? String(settings("rope.scaling.type")) : "none",
      factor: count(settings("rope.scaling.factor")),
    },
    slidingWindow: readSlidingWindow(metadata) ?? null,
    bos: count(ggml?.bos_token_id),
    prependsBos: typeof addsBos === "boolean" ? addsBos : null,
  };
}

function findPositions(architecture: string): ModelFacts["positions"] {
  if (ALIBI.has(architecture)) return "alibi";
  if (LEARNED_POSITIONS.has(architecture)) return "learned";
  return RECURRENT.has(architecture) ? "recurrent" : "rotary";
}

function count(value: unknown): number | null {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : null;
}
