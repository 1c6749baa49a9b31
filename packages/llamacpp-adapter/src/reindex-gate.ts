import type { Capability } from "@kvpolicy/core";
import type { GgufMetadata } from "node-llama-cpp";

import type { CacheType } from "./cache-types.js";
import { readHeadSizes } from "./context-memory.js";
import { readSettings } from "./settings.js";

/** What decides whether llama.cpp can move this model's cached keys to other positions. */
export interface ReindexFacts {
  /** GGUF metadata of the model, as node-llama-cpp reads it. */
  readonly metadata: GgufMetadata;
  /** Type of the cached keys. */
  readonly keyType: CacheType;
  /** Cells a layer with a sliding window of its own keeps; undefined for a model without such layers. */
  readonly slidingWindow: number | undefined;
  /** Whether the model, or a part of it, is recurrent. */
  readonly isRecurrent: boolean;
  /** Whether keys are moved on a CPU. */
  readonly onCpu: boolean;
}

const STILL_WORKS = "plans that recompute the survivors still work";

/** Architectures whose keys llama.cpp would move wrongly without a word, with the reason. */
const UNFAITHFUL_ARCHITECTURES: Readonly<Record<string, string>> = {
  smollm3: "some of its layers have no rotary embedding, and llama.cpp would rotate their keys all the same",
  llama4: "some of its layers have no rotary embedding, and llama.cpp would rotate their keys all the same",
  smallthinker:
    "some of its layers have no rotary embedding, and llama.cpp would rotate their keys all the same",
  afmoe: "some of its layers have no rotary embedding, and llama.cpp would rotate their keys all the same",
  cohere2: "some of its layers have no rotary embedding, and llama.cpp would rotate their keys all the same",
  exaone4: "some of its layers have no rotary embedding, and llama.cpp would rotate their keys all the same",
  "hunyuan-moe": "it normalises keys after the rotary embedding, which a rotation cannot undo",
  "hunyuan-vl": "it normalises keys after the rotary embedding, which a rotation cannot undo",
  maincoder: "it normalises keys after the rotary embedding, which a rotation cannot undo",
  starcoder: "its positions are learned, and llama.cpp would rotate its keys all the same",
  gpt2: "its positions are learned and part of what is cached, so that they cannot be moved",
  step35: "llama.cpp cannot move keys of this architecture, and ends the process",
  deepseek4: "its compressed cache cannot be moved",
};

const M_ROPE_ARCHITECTURES = new Set([
  "qwen2vl",
  "qwen3vl",
  "qwen3vlmoe",
  "qwen35",
  "qwen35moe",
  "paddleocr",
  "glm4v",
]);

/**
 * Whether cached keys can be moved: `true`, or why not. It knows what is known to end the process, which cannot be caught,
 * and what is known to go silently wrong. Anything else is let through.
 */
export function checkReindex({
  metadata,
  keyType,
  slidingWindow,
  isRecurrent,
  onCpu,
}: ReindexFacts): Capability {
  const architecture: string = metadata.general.architecture;
  const settings = readSettings(metadata);
  const refuse = (reason: string): string => `${architecture}: ${reason}; ${STILL_WORKS}`;

  if (M_ROPE_ARCHITECTURES.has(architecture) || settings("rope.dimension_sections") !== undefined) {
    return refuse("its positions have several dimensions (M-RoPE), and llama.cpp would end the process");
  }
  const unfaithful = UNFAITHFUL_ARCHITECTURES[architecture];
  if (unfaithful !== undefined) return refuse(unfaithful);
  if (architecture === "baichuan" && settings("block_count") === 40) {
    return refuse("it uses ALiBi, and llama.cpp would rotate its keys all the same");
  }
  if (isRecurrent) return refuse("it is recurrent, and its state does not forget a range of tokens");
  if (slidingWindow !== undefined) {
    return refuse(`layers with a sliding window of ${slidingWindow} tokens drop cells by themselves`);
  }

  const scaling = settings("rope.scaling.type");
  const factor = settings("rope.scaling.factor");
  if (
    scaling === "yarn" &&
    typeof factor === "number" &&
    factor > 1 &&
    !architecture.startsWith("deepseek2")
  ) {
    return refuse(`YaRN with a factor of ${factor} would scale every cached key again at each move`);
  }
  const attentionFactor = settings("rope.scaling.attn_factor");
  if (typeof attentionFactor === "number" && attentionFactor !== 1) {
    return refuse(
      `an attention factor of ${attentionFactor} would scale every cached key again at each move`,
    );
  }

  if (keyType === "BF16" && onCpu)
    return refuse("moving BF16 keys on a CPU would end the process; use F16 or F32 keys");
  if (keyType === "Q8_0" || keyType === "Q4_0") {
    const headSize = readHeadSizes(metadata).key ?? NaN;
    const rotated = Number(settings("rope.dimension_count") ?? headSize);
    if (!(headSize % 64 === 0 && rotated === headSize)) {
      return refuse(
        `moving ${keyType} keys with heads of ${headSize}, ${rotated} of them rotated, would end the process; use F16 or F32 keys`,
      );
    }
  }
  return true;
}
