import type { GgufMetadata } from "node-llama-cpp";

import { readSettings } from "../settings.js";

/** YaRN's settings that decide by how much a rotation scales; see {@link readRotaryMagnitude}. */
export const MAGNITUDE_SETTINGS = [
  "rope.scaling.type",
  "rope.scaling.factor",
  "rope.scaling.attn_factor",
  "rope.scaling.yarn_log_multiplier",
] as const;

/** Architectures that read `yarn_log_multiplier`, and what they divide it by. */
const LOG_MULTIPLIER_UNITS: Readonly<Record<string, number>> = {
  deepseek2: 0.1,
  deepseek32: 0.1,
  mistral3: 1,
  mistral4: 0.1,
};

/**
 * What llama.cpp multiplies a vector's length by when it rotates it: 1 unless YaRN or an attention factor says otherwise. A decode does it
 * once, as trained; every move of cached keys does it once more.
 */
export function readRotaryMagnitude(metadata: GgufMetadata): number {
  const settings = readSettings(metadata);
  const architecture: string = metadata.general.architecture;
  const number = (path: string, fallback: number): number => {
    const value = settings(path);
    return typeof value === "number" ? value : fallback;
  };
  const attentionFactor = number("rope.scaling.attn_factor", 1);
  const factor = number("rope.scaling.factor", 1);
  if (settings("rope.scaling.type") !== "yarn" || factor <= 1) return attentionFactor;

  const growth = (multiplier: number): number => 1 + 0.1 * multiplier * Math.log(factor);
  const multiplier =
    number("rope.scaling.yarn_log_multiplier", 0) / (LOG_MULTIPLIER_UNITS[architecture] ?? Infinity);
  if (multiplier === 0) return growth(1) * attentionFactor;
  // DeepSeek V2 has the same multiplier above and below the line.
  return (growth(architecture === "deepseek2" ? multiplier : 1) / growth(multiplier)) * attentionFactor;
}
